package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/upload"
)

// thing is what the {id} of a path names.
type thing string

const (
	thingRecording  thing = "recording"
	thingTranscript thing = "transcript"
	thingJob        thing = "job"
	thingUpload     thing = "upload"
)

// roleExtension is the field of the document that says who may call an operation.
const roleExtension = "x-scout-role"

// Names of the ways in which a caller shows who it is, in the document.
const (
	schemeKey     = "key"
	schemeSession = "session"
)

// Metadata that an operation has and its document has not.
const (
	thingMetadata    = "thing"
	secretMetadata   = "secret"
	streamedMetadata = "streamed"
	mergesMetadata   = "merges"
)

// access is who may call an operation, and for what.
type access struct {
	role  role
	thing thing
	// secret is true where the answer must not be kept.
	secret bool
	// streamed is true where the body is not JSON and may be of any length; the operation sees to an Idempotency-Key itself.
	streamed bool
	// asks is what its body may be, where that is JSON; nil for none.
	asks *asked
	// filled are the parameters of the query that mean nothing where they are empty: numbers, times, and words of a list.
	filled []string
	// single are those that are no lists.
	single []string
}

// mark notes in an operation who may call it.
func (a *about) mark(o *huma.Operation) {
	if a.role == "" {
		a.role = roleOwner
	}
	o.Extensions = map[string]any{roleExtension: string(a.role)}
	o.Metadata = map[string]any{thingMetadata: a.thing, secretMetadata: a.secret, streamedMetadata: a.streamed, mergesMetadata: a.merges}
	if a.role != roleNone {
		o.Security = []map[string][]string{{schemeKey: {}}, {schemeSession: {}}}
	}
}

// accesses are those of all operations of the document, by the pattern of the mux.
func accesses(document *huma.OpenAPI) map[string]access {
	all := make(map[string]access)
	for _, o := range operationsOf(document) {
		named, _ := o.Extensions[roleExtension].(string)
		what, _ := o.Metadata[thingMetadata].(thing)
		secret, _ := o.Metadata[secretMetadata].(bool)
		streamed, _ := o.Metadata[streamedMetadata].(bool)
		a := access{role: role(named), thing: what, secret: secret, streamed: streamed}
		if o.RequestBody != nil && o.RequestBody.Content["application/json"] != nil {
			a.asks = &asked{o.RequestBody.Content["application/json"].Schema, document.Components.Schemas}
		}
		for _, p := range o.Parameters {
			if p.In == "query" && p.Schema != nil && p.Schema.Type != huma.TypeArray {
				a.single = append(a.single, p.Name)
			}
			if p.In == "query" && p.Schema != nil && (p.Schema.Type != huma.TypeString && p.Schema.Type != huma.TypeArray || p.Schema.Format != "" || len(p.Schema.Enum) > 0) {
				a.filled = append(a.filled, p.Name)
			}
		}
		all[o.Method+" "+o.Path] = a
	}
	return all
}

// whole refuses a query with an empty value where the document has a number, a time or a word of a list. huma takes it for one that is
// not there: who meant to ask for less would be given all. It also refuses one value too many: one of them would not count.
func (a access) whole(r *http.Request) error {
	query := r.URL.Query()
	for _, name := range a.single {
		if len(query[name]) > 1 {
			return unprocessable("query."+name, "the query parameter %s is there %d times: it has one value", name, len(query[name]))
		}
	}
	for _, name := range a.filled {
		if slices.Contains(query[name], "") {
			return unprocessable("query."+name, "the query parameter %s is empty: give it a value, or leave it out", name)
		}
	}
	return nil
}

// allowances are the methods of the paths without a variable, by path. The mux would name those of a path with a variable as well, of
// which such a path seems to be one.
func allowances(document *huma.OpenAPI) map[string]string {
	all := make(map[string]string)
	for path := range document.Paths {
		if strings.Contains(path, "{") {
			continue
		}
		var methods []string
		for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodPost, http.MethodPut} {
			if operationAt(document, method, path) != nil || method == http.MethodHead && operationAt(document, http.MethodGet, path) != nil {
				methods = append(methods, method)
			}
		}
		all[path] = strings.Join(methods, ", ")
	}
	return all
}

// accessOf is who may call what a pattern serves. The document itself and the page are open to everybody. A path that is not there is told to whoever
// may know what is there.
func (s *Server) accessOf(pattern string) access {
	if a, found := s.access[strings.Replace(pattern, "...}", "}", 1)]; found {
		return a
	}
	switch {
	case pattern == "":
		return access{role: roleClient}
	case s.shown[pattern], strings.HasPrefix(pattern, "GET "+documentPath+"."):
		return access{role: roleNone}
	}
	return access{role: roleOwner} // a defect, which a test finds
}

// permit refuses a caller whose role is not that of the operation.
func (a access) permit(c caller) error {
	switch {
	case c.role.may(a.role):
		return nil
	case c.role == roleNone:
		return scout.Errorf(scout.CodeInvalidAPIKey, "this needs a key")
	}
	return scout.Errorf(scout.CodePermissionDenied, "only the owner of this Scout may do that").
		WithHint("use the unix socket, or a key with the role owner: scout keys create NAME --role owner")
}

// visible refuses a client what it did not make, as if that were not there. Texts and jobs are whose recording they are about.
func (s *Server) visible(ctx context.Context, a access, r *http.Request) error {
	return s.sees(ctx, a.thing, r.PathValue("id"))
}

// sees is visible for one thing; the empty one is everybody's.
func (s *Server) sees(ctx context.Context, what thing, name string) error {
	c := callerOf(ctx)
	if what == "" || c.role == roleOwner {
		return nil
	}
	id, absent := name, scout.CodeRecordingNotFound
	switch what {
	case thingTranscript:
		absent = scout.CodeNotFound
		key, err := store.ParseKey(id)
		if err != nil {
			return err
		}
		id = key.Recording
	case thingJob:
		absent = scout.CodeNotFound
		j, err := s.services.Jobs.Job(ctx, id)
		if err != nil && scout.CodeOf(err) != scout.CodeNotFound {
			return err
		}
		if err == nil && j.Kind == job.KindExport && c.owns(j.Client) { // it is about several recordings, all of them its own
			return nil
		}
		id = j.Recording
	case thingUpload:
		u, err := s.services.Uploads.Status(id)
		if err == nil && !c.owns(u.Client) {
			err = upload.Absent(id)
		}
		return err
	case thingRecording:
	}
	found, err := s.recording(ctx, id)
	if code := scout.CodeOf(err); code == scout.CodeRecordingNotFound || err == nil && !c.owns(found.Client) {
		gone := scout.Errorf(absent, "there is no %s %q", what, name)
		if what == thingJob {
			return gone.WithHint("see those that are known: scout jobs list, or GET /jobs")
		}
		return gone
	}
	return err
}

// ownersOnly refuses a part of an operation to clients.
func ownersOnly(ctx context.Context) error { return access{role: roleOwner}.permit(callerOf(ctx)) }
