package api

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// prefix is that of all operations of this version, openaiPrefix that of the paths for clients of OpenAI, documentPath that of the document
// without its format.
const (
	prefix       = "/api/v1"
	openaiPrefix = "/v1"
	documentPath = "/openapi"
)

// about describes an operation for the document.
type about struct {
	method, path string
	// summary is one line, description the rest.
	summary, description string
	// errors are those it may give, besides those of every operation.
	errors []scout.Code
	// status is that of a success, 200 where it is 0; also are further ones with the same body, or with that of alsoBody.
	status   int
	also     []int
	alsoBody any
	// body is that of a success, where the operation writes it itself; forms are further media types of it.
	body  any
	forms []string
	// role is who may call it: the owner alone where it is empty. thing is what the {id} of its path names, for those who see only what they
	// made.
	role  role
	thing thing
	// secret is true where the answer must not be kept for a request that is sent again.
	secret bool
	// streamed is true where the body is not JSON and may be of any length.
	streamed bool
	// merges is true where the body is a JSON Merge Patch, in which null removes.
	merges bool
}

// everyOperation may give these errors.
func everyOperation() []scout.Code {
	return []scout.Code{
		scout.CodeInvalidArgument, scout.CodeInvalidAPIKey, scout.CodePermissionDenied, scout.CodeHostNotAllowed, scout.CodeOriginNotAllowed, scout.CodeRateLimit,
		scout.CodeInternal, scout.CodeUnavailable,
	}
}

// operation adds one JSON operation.
func operation[I, O any](api huma.API, a about, handler func(context.Context, *I) (*O, error)) {
	described := huma.Operation{
		OperationID: operationID(a.method, a.path), Method: a.method, Path: prefix + a.path, Summary: a.summary, Description: a.description,
		DefaultStatus: a.status, BodyReadTimeout: -1, MaxBodyBytes: maxBodyBytes,
	}
	a.mark(&described)
	huma.Register(api, described, handler)
	o := operationAt(api.OpenAPI(), a.method, prefix+a.path)
	success := o.Responses[strconv.Itoa(max(a.status, http.StatusOK))]
	describeErrors(api, o, a.errors)
	if a.body != nil {
		schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(a.body), true, "")
		success.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
		if a.alsoBody == nil {
			success.Headers = map[string]*huma.Param{"ETag": {Schema: textSchema()}}
		}
		for _, form := range a.forms {
			success.Content[form] = &huma.MediaType{Schema: textSchema()}
		}
	}
	describeTag(o, success)
	for _, status := range a.also {
		again := *success
		again.Description = http.StatusText(status)
		if a.alsoBody != nil {
			again.Content = map[string]*huma.MediaType{"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(a.alsoBody), true, "")}}
		}
		if status == http.StatusNoContent {
			again.Content = nil
		}
		o.Responses[strconv.Itoa(status)] = &again
	}
}

// describeTag adds what every reader of something with an ETag may ask.
func describeTag(o *huma.Operation, success *huma.Response) {
	if o.Method != http.MethodGet || success == nil || success.Headers["ETag"] == nil {
		return
	}
	o.Parameters = append(o.Parameters, &huma.Param{
		Name: headerIfNone, In: "header", Schema: textSchema(), Description: "The ETags that the client has, or *: the answer is 304 without a body if the present one is among them",
	})
	o.Responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: http.StatusText(http.StatusNotModified), Headers: map[string]*huma.Param{"ETag": {Schema: textSchema()}}}
}

// stream is an operation that huma does not handle: its answer is no JSON, or does not end.
type stream struct {
	about
	parameters []*huma.Param
	// answers are the media types of the answer; the description of a success is the summary.
	answers []string
	// long is whether the answer to a request may last for hours; nil where none does. There are only so many of them.
	long func(r *http.Request) bool
	// root is true for a path outside of this version.
	root bool
	// lenient is true where query parameters that the operation does not have are ignored, as clients of OpenAI expect.
	lenient bool
	handler http.HandlerFunc
}

// always is long of an operation all of whose answers may last for hours.
func always(*http.Request) bool { return true }

// text and number are the schemas of parameters.
func textSchema() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

func numberSchema(least, most float64) *huma.Schema {
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most}
}

// idParameter is the {id} of a path.
func idParameter() *huma.Param {
	return &huma.Param{Name: "id", In: "path", Required: true, Schema: textSchema()}
}

// add adds a handler and its description.
func (s *Server) add(api huma.API, o stream) {
	path := prefix + o.path
	if o.root {
		path = o.path
	}
	s.mux.HandleFunc(o.method+" "+path, func(w http.ResponseWriter, r *http.Request) {
		if err := knownQuery(r, o.parameters); err != nil && !o.lenient {
			writeError(w, err)
			return
		}
		if o.long != nil && r.Method != http.MethodHead && o.long(r) {
			leave, taken := s.takeStream(w, r)
			if !taken {
				return
			}
			defer leave()
		}
		o.handler(w, r)
	})
	content := make(map[string]*huma.MediaType, len(o.answers))
	for _, media := range o.answers {
		content[media] = &huma.MediaType{}
	}
	operation := huma.Operation{
		OperationID: operationID(o.method, o.path), Method: o.method, Path: path, Summary: o.summary, Description: o.description, Parameters: o.parameters,
		Responses: map[string]*huma.Response{strconv.Itoa(cmp.Or(o.status, http.StatusOK)): {Description: o.summary, Content: content}},
	}
	o.mark(&operation)
	describeErrors(api, &operation, o.errors)
	for _, status := range o.also {
		operation.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: content}
	}
	api.OpenAPI().AddOperation(&operation)
}

// knownQuery refuses query parameters that the operation does not have, as huma does for the others.
func knownQuery(r *http.Request, known []*huma.Param) error {
	for name := range r.URL.Query() {
		if !slices.ContainsFunc(known, func(p *huma.Param) bool { return p.In == "query" && p.Name == name }) {
			return unprocessable("query."+name, "there is no query parameter %s", name)
		}
	}
	return nil
}

// describeErrors puts the errors of an operation into its description: one response for each status, with its codes.
func describeErrors(api huma.API, o *huma.Operation, codes []scout.Code) {
	delete(o.Responses, "default")
	body := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[v1.ErrorBody](), true, "ErrorBody")
	if strings.HasPrefix(o.Path, openaiPrefix+"/") {
		body = openaiError()
	}
	all := append(everyOperation(), codes...)
	if o.RequestBody != nil {
		all = append(all, scout.CodeRequestTimeout, scout.CodeRequestTooLarge, scout.CodeMediaType)
	}
	byStatus := make(map[int][]string)
	for _, code := range all {
		status := v1.StatusOf(code)
		byStatus[status] = append(byStatus[status], string(code))
	}
	byStatus[http.StatusUnprocessableEntity] = append(byStatus[http.StatusUnprocessableEntity], string(scout.CodeInvalidArgument))
	if secret, _ := o.Metadata[secretMetadata].(bool); o.Method == http.MethodPost && !secret {
		byStatus[http.StatusUnprocessableEntity] = append(byStatus[http.StatusUnprocessableEntity], string(scout.CodeIdempotencyKey))
		o.Parameters = append(o.Parameters, &huma.Param{
			Name: v1.HeaderIdempotency, In: "header", Schema: textSchema(),
			Description: "Up to 255 printable characters. The same key and request again, within 24 hours, gives the same answer and does nothing twice",
		})
	}
	for status, names := range byStatus {
		slices.Sort(names)
		o.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: strings.Join(slices.Compact(names), ", "),
			Headers:     map[string]*huma.Param{v1.HeaderCode: {Description: "The code of the error", Schema: textSchema()}},
			Content:     map[string]*huma.MediaType{"application/json": {Schema: body}},
		}
	}
}

// operationAt finds an operation in the document; nil if there is none.
func operationAt(document *huma.OpenAPI, method, path string) *huma.Operation {
	item := document.Paths[path]
	if item == nil {
		return nil
	}
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete, http.MethodPut: item.Put, http.MethodHead: item.Head, http.MethodOptions: item.Options,
	}[method]
}

// operationsOf yields every operation of the document.
func operationsOf(document *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut, http.MethodHead, http.MethodOptions} {
			if o := operationAt(document, method, path); o != nil {
				all = append(all, o)
			}
		}
	}
	return all
}

var notWord = regexp.MustCompile(`[^a-z]+`)

// operationID is for example get-transcripts-id.
func operationID(method, path string) string {
	return strings.Trim(notWord.ReplaceAllString(strings.ToLower(method+path), "-"), "-")
}

// openaiError is the schema of an error of /v1: its four keys are always there.
func openaiError() *huma.Schema {
	nullable := &huma.Schema{Type: huma.TypeString, Nullable: true}
	fields := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"message", "type", "param", "code"},
		Properties: map[string]*huma.Schema{
			"message": textSchema(), "type": {Type: huma.TypeString, Enum: []any{"invalid_request_error", "rate_limit_error", "server_error"}}, "param": nullable, "code": nullable,
		},
	}
	return &huma.Schema{Type: huma.TypeObject, Required: []string{"error"}, Properties: map[string]*huma.Schema{"error": fields}}
}

// finish completes the document once every operation is in it. What a client may send is exact; an answer may have fields that a
// client does not know yet, and its lists are never null.
func finish(document *huma.OpenAPI) {
	sent := make(map[string]bool) // schemas that requests refer to
	var visit func(s *huma.Schema)
	visit = func(s *huma.Schema) {
		if s == nil {
			return
		}
		if s.Ref != "" {
			if !sent[s.Ref] {
				sent[s.Ref] = true
				visit(document.Components.Schemas.SchemaFromRef(s.Ref))
			}
			return
		}
		for _, property := range s.Properties {
			visit(property)
		}
		visit(s.Items)
		if more, is := s.AdditionalProperties.(*huma.Schema); is {
			visit(more)
		}
	}
	seen := make(map[*huma.Schema]bool)
	for _, o := range operationsOf(document) {
		if o.RequestBody != nil {
			merges, _ := o.Metadata[mergesMetadata].(bool)
			for _, media := range o.RequestBody.Content {
				visit(media.Schema)
				if !merges {
					notNull(media.Schema, document.Components.Schemas, seen)
					continue
				}
				patch := media.Schema
				if patch.Ref != "" {
					patch = document.Components.Schemas.SchemaFromRef(patch.Ref)
				}
				for _, property := range patch.Properties {
					property.Nullable = property.Ref == ""
				}
			}
		}
		for _, answer := range o.Responses {
			for _, media := range answer.Content {
				if media.Schema != nil && media.Schema.Type == huma.TypeArray {
					media.Schema.Nullable = false
				}
			}
		}
		addExample(o)
	}
	const refs = "#/components/schemas/"
	for name, schema := range document.Components.Schemas.Map() {
		if sent[refs+name] {
			continue
		}
		if schema.AdditionalProperties == false {
			schema.AdditionalProperties = true
		}
		for _, property := range schema.Properties {
			if property.Type == huma.TypeArray {
				property.Nullable = false
			}
		}
	}
}

// addExample puts the example of an operation into the document. Each operation has one, which a test runs.
func addExample(o *huma.Operation) {
	e, found := exampleOf(o.OperationID)
	if !found {
		return
	}
	if o.RequestBody != nil && e.body != "" {
		if asked := o.RequestBody.Content["application/json"]; asked != nil { // a form has its example in the other document
			asked.Example = raw(e.body)
		}
	}
	answer := o.Responses[strconv.Itoa(e.status)]
	if answer == nil {
		return // a defect, which a test finds
	}
	if content := answer.Content["application/json"]; content != nil {
		content.Example = raw(e.answer)
		return
	}
	for _, content := range answer.Content {
		content.Example = e.answer
	}
}
