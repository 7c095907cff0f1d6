{{- /* Names are fixed: the server's Lease and Service are known by them. One server a namespace. */ -}}
{{- define "ark.selector" -}}
app.kubernetes.io/name: ark
{{- end }}

{{- define "ark.labels" -}}
{{ include "ark.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Metadata of an object that is called `ark`, or as its caller says: (dict "root" $ "name" "other" "labels" dict "annotations" dict). */ -}}
{{- define "ark.metadata" -}}
{{- $root := .root | default . -}}
name: {{ .name | default "ark" | quote }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "ark.labels" $root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Of what belongs to no namespace: named after it, so that two servers do not take each other's. */ -}}
{{- define "ark.clusterName" -}}
{{ .root.Release.Namespace }}:{{ .role }}
{{- end }}

{{- define "ark.subject" -}}
kind: ServiceAccount
name: {{ .Values.serviceAccount.name | quote }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "ark.credentials" -}}
{{- .Values.credentials.existingSecret | default (ternary "ark-credentials" "" (not (empty .Values.credentials.content))) }}
{{- end }}
