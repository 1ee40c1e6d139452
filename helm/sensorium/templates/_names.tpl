{{/* The names and labels of everything. */}}

{{- define "sensorium.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "sensorium.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 26 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 26 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 26 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sensorium.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sensorium.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels of what belongs to the release. */}}
{{- define "sensorium.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "sensorium.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* Labels by which the pods of one pipeline are found; they never change. Takes root and name. */}}
{{- define "sensorium.selector" -}}
app.kubernetes.io/name: {{ include "sensorium.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
sensorium/pipeline: {{ .name }}
{{- end -}}

{{/* Labels of what belongs to one pipeline. Takes root and name. */}}
{{- define "sensorium.pipelineLabels" -}}
{{ include "sensorium.labels" .root }}
sensorium/pipeline: {{ .name }}
{{- end -}}
