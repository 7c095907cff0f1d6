{{- /* What the server's pods and those of `helm test` share. */ -}}

{{- /* Of (dict "values" dict "fields" list), the fields that are not empty, as YAML. */ -}}
{{- define "ark.fields" -}}
{{- $chosen := dict }}
{{- range $field := .fields }}
{{- with get $.values $field }}{{ $_ := set $chosen $field . }}{{ end }}
{{- end }}
{{- with $chosen }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "ark.image" -}}
{{- $image := .Values.image }}
{{- $repository := required "image.repository is required: where your cluster finds the image of Ark" $image.repository }}
{{- if and $image.digest (not $image.tag) -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ with $image.digest }}@{{ . }}{{ end }}
{{- end }}
{{- end }}

{{- /* OpenShift gives each namespace users and groups of its own, and refuses others. */ -}}
{{- define "ark.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext | default dict }}
{{- if .Values.openshift }}{{ $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}{{ end }}
{{- toYaml $context }}
{{- end }}

{{- /* Constraints without a selector are about the server's pods. */ -}}
{{- define "ark.topologySpreadConstraints" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "ark.selector" . | fromYaml)) }}
{{- $constraints := list }}
{{- range .Values.topologySpreadConstraints }}{{ $constraints = append $constraints (merge (deepCopy .) $selector) }}{{ end }}
{{- toYaml $constraints }}
{{- end }}
