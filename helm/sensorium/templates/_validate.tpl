{{/*
What the schema of the values cannot say. Each message says what is wrong, where, and what to do.
Takes root and pipeline.
*/}}
{{- define "sensorium.validate" -}}
{{- $p := .pipeline -}}
{{- $at := printf "pipelines.%s" $p.name -}}
{{- $settings := $p.settings -}}
{{- $observe := $p.file.observe | default dict -}}
{{- if or (hasPrefix "127." ($observe.bind | default "")) (has $observe.bind (list "localhost" "::1")) -}}
{{- fail (printf "%s.file.observe.bind is %s: neither probes nor Prometheus would reach it; leave it out, or set 0.0.0.0" $at $observe.bind) -}}
{{- end -}}
{{- $executor := ternary "serve" "local" (eq .root.Values.runtime.mode "ray") -}}
{{- if ne $p.file.runtime.executor $executor -}}
{{- fail (printf "%s.file.runtime.executor is %s, and runtime.mode %s needs %s; leave it out, or change the mode" $at $p.file.runtime.executor .root.Values.runtime.mode $executor) -}}
{{- end -}}
{{- range $end := list "source" "sink" -}}
{{- if not (index $p.file $end) -}}
{{- fail (printf "%s.file.%s is missing: in a cluster there is no command line to name one" $at $end) -}}
{{- end -}}
{{- range $found := regexFindAll `"\w*(password|secret|token)":"([^"\\]|\\.)*"` (index $p.file $end | toJson) -1 -}}
{{- if not (regexMatch `:"\$\{(env|file):[^{}]+\}"$` $found) -}}
{{- fail (printf "%s.file.%s: %s holds a secret, which a ConfigMap would show; put it into a Secret, name that in secretEnv, and write ${env:NAME}" $at $end (regexFind `\w+` $found)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $reference := regexFindAll "\\$\\{env:[^{}]+\\}" (toJson $p.file) -1 -}}
{{- $name := $reference | trimPrefix "${env:" | trimSuffix "}" -}}
{{- if not (or (hasKey $settings.secretEnv $name) (hasKey $settings.env $name)) -}}
{{- fail (printf "%s.file refers to %s, and the pods have no such variable; add %s.secretEnv.%s: {secret: NAME, key: KEY}" $at $reference $at $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $_ := $settings.env -}}
{{- if hasKey $settings.secretEnv $name -}}
{{- fail (printf "%s: the variable %s is in both env and secretEnv; leave one out" $at $name) -}}
{{- end -}}
{{- end -}}
{{- if eq .root.Values.runtime.mode "ray" -}}
{{- $workers := .root.Values.ray.workers -}}
{{- range $part, $needs := $p.parts -}}
{{- if and (eq $needs.placement "replica") (or (gt (float64 $needs.gpus) (float64 $workers.gpus)) (gt (float64 $needs.cpus) (float64 $workers.cpu))) -}}
{{- fail (printf "%s.file.%s asks for %v CPUs and %v GPUs, and a worker has %v and %v: no replica would find a place; raise ray.workers.cpu or ray.workers.gpus" $at $part $needs.cpus $needs.gpus $workers.cpu $workers.gpus) -}}
{{- end -}}
{{- if and $needs.gpus (eq $needs.placement "inline") -}}
{{- fail (printf "%s.file.%s asks for GPUs, and placement inline would run it in the ingest deployment, which has its own; set placement: replica, or ask for them in file.runtime.ingest.resources" $at $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $drain := include "sensorium.seconds" (($p.file.runtime).drain | default "30s") | float64 -}}
{{- if le (float64 $settings.terminationGracePeriodSeconds) $drain -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %v, and the engine may take %v s to finish what is in flight (file.runtime.drain); give it more than that, with some seconds to commit" $at $settings.terminationGracePeriodSeconds $drain) -}}
{{- end -}}
{{- include "sensorium.validateCheckpoint" (dict "at" $at "pipeline" $p) -}}
{{- include "sensorium.validateScaling" (dict "root" .root "at" $at "settings" $settings "source" $p.file.source "ingest" (include "sensorium.part" $p.ingest | fromJson)) -}}
{{- end -}}

{{- define "sensorium.validateCheckpoint" -}}
{{- $checkpoint := .pipeline.settings.checkpoint -}}
{{- if and $checkpoint.existingClaim $checkpoint.copy.image -}}
{{- fail (printf "%s.checkpoint has both existingClaim and copy.image; leave one out" .at) -}}
{{- end -}}
{{- if and (or $checkpoint.existingClaim $checkpoint.copy.image) (not $checkpoint.path) -}}
{{- fail (printf "%s.checkpoint.path is missing: it names the file within /models" .at) -}}
{{- end -}}
{{- if and $checkpoint.copy.image (not $checkpoint.copy.command) -}}
{{- fail (printf "%s.checkpoint.copy.command is missing; for example [cp, /weights.safetensors, /models/]" .at) -}}
{{- end -}}
{{- with .pipeline.file.checkpoint -}}
{{- if not (hasPrefix "/" .) -}}
{{- fail (printf "%s.file.checkpoint is %s, relative to the pipeline file, beside which there is nothing in a pod; set %s.checkpoint.path, or an absolute path in the image" $.at . $.at) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sensorium.validateScaling" -}}
{{- $scaling := .root.Values.autoscaling -}}
{{- if gt (int .settings.replicas) (int .settings.partitions) -}}
{{- fail (printf "%s has %d replicas and %d partitions: a pod without a partition does nothing; lower replicas, or set partitions to the topics' number" .at (int .settings.replicas) (int .settings.partitions)) -}}
{{- end -}}
{{- $ray := eq .root.Values.runtime.mode "ray" -}}
{{- if and $ray (gt (int .ingest.max) (int .settings.partitions)) -}}
{{- fail (printf "%s.file.runtime.ingest.replicas may be %d, and there are %d partitions: a replica without a partition does nothing; lower it, or set partitions to the topics' number" .at (int .ingest.max) (int .settings.partitions)) -}}
{{- end -}}
{{- $several := ternary (gt (int .ingest.max) 1) (or $scaling.enabled (gt (int .settings.replicas) 1)) $ray -}}
{{- if and $several (eq .source.plugin "kafka") -}}
{{- if not .source.group -}}
{{- fail (printf "%s may have several readers, and without file.source.group each would read everything and predict it again; name a consumer group" .at) -}}
{{- end -}}
{{- if .source.group_instance_id -}}
{{- fail (printf "%s may have several readers, and file.source.group_instance_id would give all of them the same name, so that they expel each other; leave it out" .at) -}}
{{- end -}}
{{- end -}}
{{- if and $scaling.enabled $ray -}}
{{- fail "autoscaling scales the Deployment of mode standalone; in mode ray set replicas {min, max} in the pipeline file, and ray.autoscaling.enabled" -}}
{{- end -}}
{{- if $scaling.enabled -}}
{{- if not $scaling.prometheus -}}
{{- fail "autoscaling.prometheus is missing: the address of Prometheus, as http://prometheus.monitoring:9090" -}}
{{- end -}}
{{- if gt (int $scaling.max) (int .settings.partitions) -}}
{{- fail (printf "autoscaling.max is %d, and %s has %d partitions: a pod without a partition does nothing; lower it, or set partitions to the topics' number" (int $scaling.max) .at (int .settings.partitions)) -}}
{{- end -}}
{{- if gt (int $scaling.min) (default .settings.partitions $scaling.max | int) -}}
{{- fail (printf "autoscaling.min is %d, which is more than the most pods of %s (%d)" (int $scaling.min) .at (default .settings.partitions $scaling.max | int)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A duration of the pipeline file, in seconds: 1m30s, or whole nanoseconds. */}}
{{- define "sensorium.seconds" -}}
{{- if kindIs "string" . -}}
{{- $units := dict "ns" 0.000000001 "us" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 -}}
{{- $total := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ns|us|ms|s|m|h|d)" . -1 -}}
{{- $total = mulf (regexFind "[0-9.]+" .) (index $units (regexFind "[a-z]+" .)) | addf $total -}}
{{- end -}}
{{- $total -}}
{{- else -}}
{{- divf . 1000000000 -}}
{{- end -}}
{{- end -}}
