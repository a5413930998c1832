{{- define "chroma-sync.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "chroma-sync.selector" -}}
app.kubernetes.io/name: chroma-sync
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "chroma-sync.labels" -}}
{{ include "chroma-sync.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* The file that the operator reads: chroma_sync.reconcile.installation.Installation. */ -}}
{{- define "chroma-sync.settings" -}}
chroma:
  url: {{ .Values.chroma.url | quote }}
  tenant: {{ .Values.chroma.tenant | quote }}
  {{- with .Values.chroma.tokenSecret }}
  tokenSecret: {{ . | quote }}
  {{- end }}
{{- if .Values.tei.endpoints }}
endpoints:
{{- range .Values.tei.endpoints }}
  - model: {{ .model | quote }}
    url: {{ .url | quote }}
{{- end }}
{{- else }}
endpoints: []
{{- end }}
{{- with .Values.tei.tokenSecret }}
teiTokenSecret: {{ . | quote }}
{{- end }}
{{- with .Values.watchNamespaces }}
watchNamespaces: {{ toJson . }}
{{- end }}
{{- with .Values.allowedHosts }}
allowedHosts: {{ toJson . }}
{{- end }}
{{- with .Values.allowedServiceAccounts }}
allowedServiceAccounts: {{ toJson . }}
{{- end }}
workerImage: {{ required "image.worker: name the worker's image, as in --set image.worker=REGISTRY/worker:TAG" .Values.image.worker | quote }}
workerImagePullPolicy: {{ .Values.image.pullPolicy | quote }}
failedJobsTtlSeconds: {{ int .Values.failedJobsTTLSeconds }}
checkResources: {{- toYaml .Values.check.resources | nindent 2 }}
{{- with .Values.image.pullSecrets }}
workerImagePullSecrets:
{{- range . }}
  - {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What the operator may do where it serves Sources. */ -}}
{{- define "chroma-sync.rules" -}}
- apiGroups: [chromasync.dev]
  resources: [sources, invocations]
  verbs: [get, list, watch]
- apiGroups: [chromasync.dev]
  resources: [sources/status, invocations/status]
  verbs: [patch]
- apiGroups: [chromasync.dev]
  resources: [invocations]
  verbs: [delete]
# Jobs hold up a foreground deletion of their owner (blockOwnerDeletion).
- apiGroups: [chromasync.dev]
  resources: [sources/finalizers, invocations/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# What a Job's pods are to do is in a ConfigMap that is named after the Job. The operator reads none.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Listed only for a Job without a pod: why it has none stands nowhere else.
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch, list]
{{- end -}}

{{- /* One that serves all namespaces is alone in its cluster; of the others each has a role of its own. */ -}}
{{- define "chroma-sync.clusterRole" -}}
chroma-sync-operator{{ if .Values.watchNamespaces }}-{{ .Release.Namespace }}{{ end }}
{{- end -}}
