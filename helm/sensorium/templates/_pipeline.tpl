{{/*
One pipeline, as JSON for `fromJson`, with all that the templates ask of it:
  name, fullname  under `pipelines`, and of its resources
  settings        `defaults`, with what the pipeline says otherwise
  file            the pipeline file, with what the chart decides
  parts           the models, streams.NAME and fusion, each with its resources, replicas, placement
  ingest          the section runtime.ingest of the file
  gpus            what the local executor needs, over all parts
Takes root and name.
*/}}
{{- define "sensorium.pipeline" -}}
{{- $values := .root.Values -}}
{{- $given := index $values.pipelines .name -}}
{{- $settings := mustMergeOverwrite (deepCopy $values.defaults) (omit $given "file" | deepCopy) -}}
{{- $file := deepCopy $given.file -}}
{{- $observe := $file.observe | default dict -}}
{{- if eq $values.runtime.mode "standalone" -}}
{{- $observe = merge $observe (dict "bind" "0.0.0.0" "port" $values.metrics.port) -}}
{{- $_ := set $file "observe" $observe -}}
{{- end -}}
{{- $executor := ternary "serve" "local" (eq $values.runtime.mode "ray") -}}
{{- $runtime := merge ($file.runtime | default dict) (dict "executor" $executor) -}}
{{- $_ := mustMergeOverwrite $file (dict "runtime" $runtime) -}}
{{- with include "sensorium.checkpoint" $settings.checkpoint -}}
{{- $_ := set $file "checkpoint" . -}}
{{- end -}}
{{- $parts := dict "fusion" (include "sensorium.part" $file.fusion | fromJson) -}}
{{- range $stream, $config := $file.streams -}}
{{- $_ := set $parts (printf "streams.%s" $stream) (include "sensorium.part" $config | fromJson) -}}
{{- end -}}
{{- $gpus := 0.0 -}}
{{- range $parts -}}
{{- $gpus = addf $gpus .gpus -}}
{{- end -}}
{{- dict "name" .name "fullname" (printf "%s-%s" (include "sensorium.fullname" .root) .name) "settings" $settings "file" $file "parts" $parts "ingest" ($runtime.ingest | default dict) "gpus" (ceil $gpus) | toJson -}}
{{- end -}}

{{/* Where the engine finds the weights. Takes the settings' `checkpoint`. */}}
{{- define "sensorium.checkpoint" -}}
{{- if .path -}}
{{- if or .existingClaim .copy.image -}}
{{- printf "/models/%s" (trimPrefix "/models/" .path) -}}
{{- else -}}
{{- .path -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a stream, the fusion or ingest takes, with the engine's defaults. Takes its section of the file. */}}
{{- define "sensorium.part" -}}
{{- $resources := .resources | default dict -}}
{{- $replicas := .replicas | default 1 -}}
{{- if not (kindIs "map" $replicas) -}}
{{- $replicas = dict "min" $replicas "max" $replicas -}}
{{- end -}}
{{- $cpus := 1.0 -}}
{{- if hasKey $resources "num_cpus" -}}
{{- $cpus = $resources.num_cpus -}}
{{- end -}}
{{- dict "placement" (.placement | default "inline") "cpus" $cpus "gpus" ($resources.num_gpus | default 0) "accelerator" ($resources.accelerator_type | default "") "min" ($replicas.min | default 1) "max" ($replicas.max | default 1) | toJson -}}
{{- end -}}

{{/* The image. Takes root and gpus. */}}
{{- define "sensorium.image" -}}
{{- $image := .root.Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- $kind := ternary "gpu" "cpu" (gt (int .gpus) 0) -}}
{{- printf "%s:%s" $image.repository (default (printf "%s-%s" .root.Chart.AppVersion $kind) $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The one kind of GPU that a pod of the local executor needs; empty for any. */}}
{{- define "sensorium.accelerator" -}}
{{- $kinds := list -}}
{{- range .parts -}}
{{- if and .gpus .accelerator -}}
{{- $kinds = append $kinds .accelerator | uniq -}}
{{- end -}}
{{- end -}}
{{- if gt (len $kinds) 1 -}}
{{- fail (printf "pipelines.%s.file asks for GPUs of several kinds (%s), and a pod of mode standalone runs on one node; use one kind, or mode ray" .name (sortAlpha $kinds | join ", ")) -}}
{{- end -}}
{{- first $kinds | default "" -}}
{{- end -}}
