{{/* Parts of a pod that all modes share. Each takes root and pipeline. */}}

{{- define "sensorium.podMetadata" -}}
labels:
  {{- include "sensorium.selector" (dict "root" .root "name" .pipeline.name) | nindent 2 }}
  {{- with .pipeline.settings.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := deepCopy .pipeline.settings.podAnnotations -}}
{{- if eq .root.Values.runtime.mode "standalone" -}}
{{- /* New pods where the pipeline file has changed; Ray is told of it in the RayService. */ -}}
{{- $_ := set $annotations "sensorium/pipeline-sha256" (toJson .pipeline.file | sha256sum) -}}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Whose pod it is, and how long its end may take. */}}
{{- define "sensorium.podBase" -}}
serviceAccountName: {{ include "sensorium.serviceAccountName" .root }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .pipeline.settings.terminationGracePeriodSeconds }}
{{- with .pipeline.settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .pipeline.settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sensorium.spread" -}}
{{- with .pipeline.settings.topologySpread -}}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels:
        {{- include "sensorium.selector" (dict "root" $.root "name" $.pipeline.name) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod may run. Takes also gpus and accelerator, of this pod. */}}
{{- define "sensorium.placement" -}}
{{- $selector := deepCopy .pipeline.settings.nodeSelector -}}
{{- $tolerations := .pipeline.settings.tolerations -}}
{{- if .gpus -}}
{{- $gpu := .root.Values.gpu -}}
{{- $accelerator := index $gpu.accelerators .accelerator | default dict -}}
{{- $selector = mustMergeOverwrite $selector (deepCopy $gpu.nodeSelector) (deepCopy $accelerator) -}}
{{- $tolerations = concat $tolerations $gpu.tolerations -}}
{{- end -}}
{{- with $selector -}}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with $tolerations -}}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "sensorium.env" -}}
{{- range $name, $value := .pipeline.settings.env -}}
- name: {{ $name }}
  value: {{ $value | quote }}
{{ end -}}
{{- include "sensorium.secretEnv" .pipeline.settings.secretEnv }}
{{- end -}}

{{- define "sensorium.secretEnv" -}}
{{- range $name, $from := . -}}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ $from.secret }}, key: {{ $from.key }}}
{{ end -}}
{{- end -}}

{{- define "sensorium.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if include "sensorium.hasModels" . }}
- {name: models, mountPath: /models, readOnly: true}
{{- end }}
{{- range $name, $_ := .pipeline.settings.secretFiles }}
- {name: secret-{{ $name }}, mountPath: /etc/sensorium/secrets/{{ $name }}, readOnly: true}
{{- end }}
{{- end -}}

{{- define "sensorium.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .root.Values.tmp.sizeLimit }}}
{{- if .pipeline.settings.checkpoint.existingClaim }}
- name: models
  persistentVolumeClaim: {claimName: {{ .pipeline.settings.checkpoint.existingClaim }}, readOnly: true}
{{- else if include "sensorium.hasModels" . }}
- name: models
  emptyDir: {}
{{- end }}
{{- range $name, $from := .pipeline.settings.secretFiles }}
- name: secret-{{ $name }}
  secret: {secretName: {{ $from.secret }}, defaultMode: 0440}
{{- end }}
{{- end -}}

{{- define "sensorium.hasModels" -}}
{{- if or .pipeline.settings.checkpoint.existingClaim .pipeline.settings.checkpoint.copy.image }}true{{ end -}}
{{- end -}}

{{/* The container that copies the weights, if there is one. */}}
{{- define "sensorium.initContainers" -}}
{{- $copy := .pipeline.settings.checkpoint.copy -}}
{{- if $copy.image -}}
initContainers:
  - name: checkpoint
    image: {{ $copy.image }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    command:
      {{- toYaml $copy.command | nindent 6 }}
    {{- with $copy.secretEnv }}
    env:
      {{- include "sensorium.secretEnv" . | nindent 6 }}
    {{- end }}
    resources:
      requests: {cpu: 100m, memory: 128Mi}
      limits: {memory: 512Mi}
    securityContext:
      {{- toYaml .root.Values.containerSecurityContext | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: models, mountPath: /models}
{{- end -}}
{{- end -}}

{{/* Requests and limits, with GPUs added. Takes root, resources and gpus. */}}
{{- define "sensorium.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if .gpus -}}
{{- $gpu := dict .root.Values.gpu.resource (.gpus | int) -}}
{{- $resources = mustMergeOverwrite $resources (dict "requests" $gpu) (dict "limits" $gpu) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
