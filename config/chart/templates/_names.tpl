{{- /* Names are fixed: the server's Lease, Service and account are known by them. One server a namespace. */ -}}
{{- define "ark.selector" -}}
app.kubernetes.io/name: ark
{{- end }}

{{- define "ark.labels" -}}
{{ include "ark.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "ark.metadata" -}}
name: ark
namespace: {{ .Release.Namespace }}
labels:
  {{- include "ark.labels" . | nindent 2 }}
{{- end }}

{{- /* Of what belongs to no namespace: named after it, so that two servers do not take each other's. */ -}}
{{- define "ark.clusterName" -}}
{{ .root.Release.Namespace }}:{{ .role }}
{{- end }}

{{- define "ark.credentials" -}}
{{- .Values.credentials.existingSecret | default (ternary "ark-credentials" "" (not (empty .Values.credentials.content))) }}
{{- end }}
