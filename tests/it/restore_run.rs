//! `ark restore run`, as far as it goes without a cluster: mappings, policies and modifiers that
//! cannot be meant.

use crate::support::ark;
use crate::usage::{LOCATION, on_location, refusals};

/// Mappings, policies and numbers that cannot be parsed: the message names the flag.
#[test]
fn a_restore_that_cannot_be_meant_is_refused_by_its_flag() {
    let commands = [
        vec!["--namespace-mappings", "shop"],
        vec!["--namespace-mappings", ":copy"],
        vec!["--namespace-mappings", "shop:a,shop:b"],
        vec!["--namespace-mappings", "shop:Copy"],
        vec!["--storage-class-mappings", "fast="],
        vec!["--image-mappings", "old:new"],
        vec!["--existing-resource-policy", "overwrite"],
        vec!["--parallel", "0"],
        vec!["--resource-modifiers", "/nowhere/rules.yaml"],
    ];
    let commands = commands
        .iter()
        .map(|flags| on_location(&[&["restore", "run", "--from-backup", "nightly"], &flags[..]].concat()));
    insta::assert_snapshot!(refusals(commands), @r"
        restore run --from-backup nightly --namespace-mappings shop --location file:///nowhere/at/all
          2 error: invalid value 'shop' for '--namespace-mappings <OLD:NEW>': write it as old:new
        restore run --from-backup nightly --namespace-mappings :copy --location file:///nowhere/at/all
          2 error: invalid value ':copy' for '--namespace-mappings <OLD:NEW>': write it as old:new
        restore run --from-backup nightly --namespace-mappings shop:a,shop:b --location file:///nowhere/at/all
          2 ark: --namespace-mappings maps `shop` to both `a` and `b`; keep one of them
        restore run --from-backup nightly --namespace-mappings shop:Copy --location file:///nowhere/at/all
          2 ark: --namespace-mappings: `Copy` cannot be the name of a namespace: use at most 63 lower-case letters, digits and `-`
        restore run --from-backup nightly --storage-class-mappings fast= --location file:///nowhere/at/all
          2 error: invalid value 'fast=' for '--storage-class-mappings <OLD:NEW>': write it as old:new
        restore run --from-backup nightly --image-mappings old:new --location file:///nowhere/at/all
          2 error: invalid value 'old:new' for '--image-mappings <OLD=NEW>': write it as old=new
        restore run --from-backup nightly --existing-resource-policy overwrite --location file:///nowhere/at/all
          2 error: invalid value 'overwrite' for '--existing-resource-policy <POLICY>': `overwrite` is no policy for existing resources: use None, Update or Recreate
        restore run --from-backup nightly --parallel 0 --location file:///nowhere/at/all
          2 error: invalid value '0' for '--parallel <NUMBER>': 0 is not in 1..=256
        restore run --from-backup nightly --resource-modifiers /nowhere/rules.yaml --location file:///nowhere/at/all
          1 ark: reading the resource modifiers in /nowhere/rules.yaml: No such file or directory (os error 2)
    ");
}

/// The file of `--resource-modifiers` is YAML, but no list of rules, or a rule with a wrong type.
#[test]
fn modifiers_that_are_no_rules_are_refused_with_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, "version: v1\nrules: []\n").expect("a file can be written");
    let mut command = ark(["restore", "run", "--from-backup", "nightly", "--resource-modifiers"]);
    says!(command.arg(&file).args(LOCATION), @r"
        exit 2
        --- stdout
        --- stderr
        ark: reading the resource modifiers in [folder]: there is no list of rules in it; it should be a YAML list of rules with conditions and patches, or Velero's resourceModifierRules
    ");
    std::fs::write(&file, "resourceModifierRules:\n- conditions: {groupResource: 7}\n")
        .expect("a file can be written");
    let mut command = ark(["restore", "run", "--from-backup", "nightly", "--resource-modifiers"]);
    says!(command.arg(&file).args(LOCATION), @r"
        exit 2
        --- stdout
        --- stderr
        ark: reading the resource modifiers in [folder]: rule 1: invalid type: integer `7`, expected a string; it should be a YAML list of rules with conditions and patches, or Velero's resourceModifierRules
    ");
}
