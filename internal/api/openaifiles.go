package api

import (
	"io"
	"maps"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/api/openai/files"
)

// fileHost is what serves OpenAI's paths for files with what the server knows.
func (s *Server) fileHost() files.Host {
	return files.Host{
		Caller: func(r *http.Request) files.Caller {
			c := callerOf(r.Context())
			return files.Caller{ID: c.id, Client: c.label()}
		},
		Body: func(r *http.Request) files.Body {
			body, leave := s.steadily(r)
			return files.Body{Reader: io.Reader(body), Explain: body.explain, Leave: leave}
		},
		Fail:     writeError,
		Whole:    isWhole,
		Replayed: s.metrics.replays.Inc,
	}
}

// registerOpenAI adds OpenAI's paths for files and models.
func (s *Server) registerOpenAI(api huma.API) {
	if s.services.OpenAI == nil {
		return
	}
	serves := files.New(*s.services.OpenAI, s.fileHost())
	audio := []scout.Code{
		scout.CodeAudioCorrupt, scout.CodeAudioUnsupported, scout.CodeAudioInvalidSamples, scout.CodeDecoderMissing, scout.CodeAudioEmpty, scout.CodeAudioTooShort,
		scout.CodeAudioTooLong, scout.CodeModelLanguage, scout.CodeModelUnsupported, scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeRequestTooLarge,
		scout.CodeRequestTimeout, scout.CodeMediaType, scout.CodeIdempotencyKey, scout.CodeBusy, scout.CodeEngineFailed, scout.CodeEngineCrashed, scout.CodeEngineTimeout,
		scout.CodeEngineMemory, scout.CodeAudioSetAside, scout.CodeModelCorrupt, scout.CodeEngineUnavailable, scout.CodeEngineStart, scout.CodeEngineLoadTimeout,
		scout.CodeEngineMissing, scout.CodeDecoderTimeout, scout.CodeDeadlineExceeded, scout.CodeDiskFull, scout.CodeDiskLow,
	}
	s.addOpenAI(api, openAIPath{
		method: http.MethodPost, path: "/audio/transcriptions", summary: "Make a text of a file",
		description: "OpenAI's path, for its SDKs and for programs made for it; docs/API.md has every field. The body is read as a stream, of any length, with its parts in any order. " +
			"With stream the answer is one of events: transcript.text.delta for each stretch as it is decoded, and transcript.text.done. Nothing of the request stays behind, unless the setting api.keep says so.",
		errors: audio, form: transcriptionForm(), body: files.Transcription{}, also: []string{"text/plain", eventStream}, handler: serves.Transcriptions,
	})
	s.addOpenAI(api, openAIPath{
		method: http.MethodPost, path: "/audio/translations", summary: "Make an English text of a file",
		description: "OpenAI's path. Where no model is named, the first installed one that translates does.",
		errors:      audio, form: translationForm(), body: files.Translation{}, also: []string{"text/plain"}, handler: serves.Translations,
	})
	s.addOpenAI(api, openAIPath{
		method: http.MethodGet, path: "/models", summary: "List the models as OpenAI does", description: "Those that are installed, then OpenAI's names, which stand for one of them.",
		body: files.Models{}, handler: serves.List,
	})
	s.addOpenAI(api, openAIPath{
		method: http.MethodGet, path: "/models/{id}", wild: true, summary: "Get a model as OpenAI does", description: "The id may contain slashes, encoded or not.",
		errors: []scout.Code{scout.CodeModelUnknown, scout.CodeModelNotInstalled}, body: files.Model{}, handler: serves.Get,
	})
	s.addOpenAI(api, openAIPath{
		method: http.MethodDelete, path: "/models/{id}", wild: true, owner: true, summary: "Delete a model as OpenAI does",
		description: "A model that is selected or used is 409, one of OpenAI's names 400.",
		errors:      []scout.Code{scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeModelInUse}, body: files.Deleted{}, handler: serves.Delete,
	})
}

// openAIPath is an operation below /v1.
type openAIPath struct {
	method, path         string
	summary, description string
	wild                 bool // the last part of the path may contain slashes
	owner                bool
	errors               []scout.Code
	form                 *huma.Schema // of a body in parts; nil for none
	body                 any          // of a success
	also                 []string     // further media types of it
	handler              http.HandlerFunc
}

// addOpenAI adds a path. huma has no part in it: it would keep a file in memory, and refuse fields that it does not know.
func (s *Server) addOpenAI(api huma.API, p openAIPath) {
	path := openaiPrefix + p.path
	served := path
	if p.wild {
		served = path[:len(path)-1] + "...}"
	}
	s.mux.HandleFunc(p.method+" "+served, p.handler)
	content := map[string]*huma.MediaType{"application/json": {Schema: openAISchema(api, reflect.TypeOf(p.body))}}
	for _, media := range p.also {
		content[media] = &huma.MediaType{Schema: textSchema()}
	}
	o := huma.Operation{
		OperationID: operationID(p.method, openaiPrefix+p.path), Method: p.method, Path: path, Summary: p.summary, Description: p.description,
		Responses: map[string]*huma.Response{"200": {Description: p.summary, Content: content}},
	}
	if p.wild {
		o.Parameters = []*huma.Param{idParameter()}
	}
	if p.form != nil {
		o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{formMedia: {Schema: p.form}}}
	}
	a := about{role: roleClient, streamed: p.form != nil}
	if p.owner {
		a.role = roleOwner
	}
	a.mark(&o)
	describeErrors(api, &o, p.errors)
	ofOpenAIs := openAISchema(api, reflect.TypeFor[openai.ErrorBody]())
	for status, answer := range o.Responses {
		if status != "200" {
			answer.Content["application/json"].Schema = ofOpenAIs
		}
	}
	api.OpenAPI().AddOperation(&o)
}

// openAISchema is the schema of a type. Its name begins with OpenAI: there are bodies of the same names below /api/v1.
func openAISchema(api huma.API, of reflect.Type) *huma.Schema {
	ours := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		return "OpenAI" + huma.DefaultSchemaNamer(t, hint)
	})
	schema := ours.Schema(of, true, "")
	maps.Copy(api.OpenAPI().Components.Schemas.Map(), ours.Map())
	return schema
}

func translationForm() *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Required: []string{"file"}, AdditionalProperties: true, Properties: map[string]*huma.Schema{
		"file":            {Type: huma.TypeString, Format: "binary", Description: "The audio, in any format that Scout can decode"},
		"model":           {Type: huma.TypeString, Description: "An installed model, or one of OpenAI's names; may be missing"},
		"prompt":          {Type: huma.TypeString, Description: "Text whose spelling the model prefers, if it can"},
		"response_format": {Type: huma.TypeString, Enum: []any{"json", "text", "srt", "verbose_json", "vtt"}},
		"temperature":     {Type: huma.TypeNumber, Description: "From 0 to 1, without effect"},
	}}
}

func transcriptionForm() *huma.Schema {
	form := translationForm()
	list := func(words ...any) *huma.Schema {
		return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString, Enum: words}}
	}
	for name, schema := range map[string]*huma.Schema{
		"language":                {Type: huma.TypeString, Description: "A code such as en, a tag such as en-US, or an English name"},
		"languages":               list(),
		"keywords":                list(),
		"timestamp_granularities": list("word", "segment"),
		"include":                 list("logprobs"),
		"stream":                  {Type: huma.TypeBoolean},
		"chunking_strategy":       {Description: "auto, or an object with the type server_vad; without effect"},
	} {
		form.Properties[name] = schema
	}
	return form
}
