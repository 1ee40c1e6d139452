{{/* What the mode ray makes of a pipeline. */}}

{{/*
The Serve config, as `sensorium build` writes it. What a running application takes up is the
user_config of every deployment, by its path in the file; arguments hold the rest, a change of which
restarts the application. All other options follow from the arguments. Takes pipeline.
*/}}
{{- define "sensorium.serveConfig" -}}
{{- $topology := deepCopy .pipeline.file -}}
{{- $settings := dict -}}
{{- $changeable := list "checkpoint" "align.deadline" "runtime.batch" "runtime.retries" "runtime.breaker" -}}
{{- range $stream, $_ := $topology.streams -}}
{{- $changeable = concat $changeable (list (printf "streams.%s.batch" $stream) (printf "streams.%s.on_failure" $stream)) -}}
{{- end -}}
{{- range $path := $changeable -}}
{{- $section := $topology -}}
{{- range $key := splitList "." $path | initial -}}
{{- $section = index $section $key | default dict -}}
{{- end -}}
{{- $key := splitList "." $path | last -}}
{{- if hasKey $section $key -}}
{{- $_ := set $settings $path (index $section $key) -}}
{{- $_ := unset $section $key -}}
{{- end -}}
{{- end -}}
proxy_location: Disabled
applications:
  - name: {{ .pipeline.file.pipeline }}
    # The line is called by nobody: it reads Kafka.
    route_prefix: null
    import_path: sensorium.runtime.serve:build
    args:
      {{- toYaml $topology | nindent 6 }}
    deployments:
      - name: ingest
        user_config:
          {{- toYaml $settings | nindent 10 }}
      {{- range $part, $needs := .pipeline.parts }}
      {{- if eq $needs.placement "replica" }}
      - name: {{ $part }}
        user_config:
          {{- toYaml $settings | nindent 10 }}
      {{- end }}
      {{- end }}
{{- end -}}

{{/*
The groups of workers, as JSON: one for what needs no GPU, and one for each kind of GPU, each with
the number of workers that the fewest and the most replicas need. Takes root and pipeline.
*/}}
{{- define "sensorium.workerGroups" -}}
{{- $workers := .root.Values.ray.workers -}}
{{- $ingest := mustMerge (dict "placement" "replica") (include "sensorium.part" .pipeline.ingest | fromJson) -}}
{{- $groups := dict -}}
{{- range $part := prepend (values .pipeline.parts) $ingest -}}
{{- if eq $part.placement "replica" -}}
{{- $name := "cpu" -}}
{{- $share := 0.0 -}}
{{- if $part.gpus -}}
{{- $name = printf "gpu-%s" ($part.accelerator | default "any" | lower | replace "_" "-") -}}
{{- /* Replicas share one GPU, and none is spread over two: of 0.6 each, one fits, not 1.67. */ -}}
{{- $share = $part.gpus -}}
{{- if lt ($part.gpus | float64) 1.0 -}}
{{- $share = divf 1 (divf 1 $part.gpus | floor) -}}
{{- end -}}
{{- end -}}
{{- $group := index $groups $name | default (dict "accelerator" $part.accelerator "gpus" (ternary $workers.gpus 0 (gt $share 0.0))) -}}
{{- range $bound := list "min" "max" -}}
{{- $cpus := mulf $part.cpus (index $part $bound) | addf (dig $bound "cpus" 0.0 $group) -}}
{{- $gpus := mulf $share (index $part $bound) | addf (dig $bound "gpus" 0.0 $group) -}}
{{- $_ := set $group $bound (dict "cpus" $cpus "gpus" $gpus) -}}
{{- end -}}
{{- $_ := set $groups $name $group -}}
{{- end -}}
{{- end -}}
{{- range $group := $groups -}}
{{- range $bound := list "min" "max" -}}
{{- $need := index $group $bound -}}
{{- $count := list 1 (divf $need.cpus $workers.cpu | ceil) (round (divf $need.gpus $workers.gpus) 6 | ceil) -}}
{{- $_ := set $group $bound (max (index $count 0) (index $count 1) (index $count 2)) -}}
{{- end -}}
{{- end -}}
{{- toJson $groups -}}
{{- end -}}

{{/* The pod of the head or of a worker. Takes root, pipeline, role, resources, gpus, accelerator. */}}
{{- define "sensorium.rayPod" -}}
{{- $health := ternary "/api/healthz" "/api/local_raylet_healthz" (eq .role "head") -}}
metadata:
  {{- include "sensorium.podMetadata" . | nindent 2 }}
spec:
  # Only Ray's autoscaler, beside the head, speaks to Kubernetes; KubeRay gives it its rights.
  automountServiceAccountToken: {{ and (eq .role "head") .root.Values.ray.autoscaling.enabled }}
  {{- include "sensorium.podBase" . | nindent 2 }}
  {{- with include "sensorium.spread" . }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "sensorium.placement" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with include "sensorium.initContainers" . }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: ray-{{ .role }}
      image: {{ include "sensorium.image" . }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      {{- with include "sensorium.env" . }}
      env:
        {{- . | trim | nindent 8 }}
      {{- end }}
      ports:
        {{- if eq .role "head" }}
        - {name: gcs-server, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        {{- end }}
        - {name: metrics, containerPort: 8080}
      # KubeRay's own readiness of a worker would ask the worker's HTTP proxy, and there is none:
      # nothing is served over HTTP. So a worker is ready when its raylet is, the head when its
      # raylet and the control store are. Ray's agent answers, without a token.
      readinessProbe:
        httpGet: {path: {{ $health }}, port: 52365}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 3
      livenessProbe:
        httpGet: {path: {{ $health }}, port: 52365}
        initialDelaySeconds: 30
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 12
      resources:
        {{- include "sensorium.resources" . | nindent 8 }}
      securityContext:
        {{- toYaml .root.Values.containerSecurityContext | nindent 8 }}
      volumeMounts:
        {{- include "sensorium.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "sensorium.volumes" . | nindent 4 }}
{{- end -}}
