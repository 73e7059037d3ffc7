package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai/files"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/importation"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
)

// registerImport adds what takes a database of the original Scout.
func (s *Server) registerImport(api huma.API) {
	if s.services.Imports == nil {
		return
	}
	s.add(api, stream{
		about: about{
			method: http.MethodPost, path: "/import", streamed: true, summary: "Import the texts of the original Scout",
			description: "Takes the file scout.db of the original Scout as the part file of a form, and makes a job of the kind import. Each text becomes a recording of the source import. " +
				"Importing a file again, or a later state of it, adds what is new and nothing twice. By the unix socket the audio comes along, from the paths in the database; over TCP these are paths of another machine. " +
				"What is no database is 400 at once; what is wrong with one the job says.",
			errors: []scout.Code{scout.CodeImportForeign, scout.CodeRequestTooLarge, scout.CodeRequestTimeout, scout.CodeMediaType, scout.CodeQueueFull, scout.CodeDiskLow, scout.CodeDiskFull},
			status: http.StatusAccepted, also: []int{http.StatusOK},
		},
		answers: []string{"application/json"}, handler: s.importFile,
	})
	o := operationAt(api.OpenAPI(), http.MethodPost, prefix+"/import")
	o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{formMedia: {Schema: &huma.Schema{
		Type: huma.TypeObject, Required: []string{"file"}, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{"file": {Type: huma.TypeString, Format: "binary", Description: "The file scout.db of the original Scout"}},
	}}}}
	made := api.OpenAPI().Components.Schemas.Map()["Job"]
	if made == nil {
		return // a defect, which a test finds
	}
	for _, status := range []string{"202", "200"} {
		o.Responses[status].Content["application/json"].Schema = &huma.Schema{Ref: "#/components/schemas/Job"}
	}
}

// importFile answers a request that brings a database.
func (s *Server) importFile(w http.ResponseWriter, r *http.Request) {
	out, replayed, err := s.takeImport(r)
	if err != nil {
		writeError(w, err)
		return
	}
	h := w.Header()
	for name, value := range out.Header {
		h.Set(name, value)
	}
	if replayed {
		h.Set(v1.HeaderReplayed, "true")
		s.metrics.replays.Inc()
	}
	w.WriteHeader(out.Status)
	_, _ = w.Write(out.Body) // the client may be gone
}

// takeImport receives a database and makes the job. replayed is true where the same request was answered before.
func (s *Server) takeImport(r *http.Request) (out store.Answer, replayed bool, err error) {
	imports, ctx := s.services.Imports, r.Context()
	if !isMedia(r, formMedia) {
		return out, false, scout.Errorf(scout.CodeMediaType, "the body is no form: want the part file in %s", formMedia)
	}
	if r.ContentLength > imports.MostBytes()+formSlack {
		return out, false, scout.Errorf(scout.CodeRequestTooLarge, "the body has %d bytes: a file may have %d", r.ContentLength, imports.MostBytes())
	}
	once, err := onceKey(r)
	if err != nil {
		return out, false, err
	}
	if once != "" {
		leave, err := s.flights.board(ctx, once)
		if err != nil {
			return out, false, err
		}
		defer leave()
	} else if err := s.services.Jobs.Room(ctx, callerOf(ctx).id); err != nil {
		return out, false, err // before the file is written; one that was sent before gets its answer
	}
	received, err := s.receiveImport(r)
	if err != nil {
		return out, false, err
	}
	defer received.Close()
	ctx = context.WithoutCancel(ctx) // what has come whole is kept, whoever is still there
	if once != "" {
		k := &keyed{key: once, request: hash("import", received.Key())}
		earlier, found, err := s.store().Answer(ctx, once)
		switch {
		case err != nil:
			return out, false, err
		case found && earlier.Request != k.request:
			return out, false, scout.Errorf(scout.CodeIdempotencyKey, "this %s was used for another request", v1.HeaderIdempotency)
		case found && earlier.Status != 0:
			return earlier, true, nil
		}
		ctx = context.WithValue(ctx, keyedKey{}, k)
	}
	o := job.Order{Kind: job.KindImport, Client: callerOf(ctx).id, Key: received.Key(), Renew: true, Traceparent: observe.Traceparent(ctx)}
	if o.Options, err = json.Marshal(received.Request); err != nil {
		return out, false, err
	}
	made, err := s.submit(ctx, o, nil)
	if err != nil {
		return out, false, err
	}
	if made.Status == http.StatusAccepted { // else the job has the same bytes already
		received.Keep()
	}
	out, err = answerOf(made)
	return out, false, err
}

// receiveImport reads the form.
func (s *Server) receiveImport(r *http.Request) (received *importation.Received, err error) {
	body, leave := s.steadily(r)
	defer leave()
	again := *r
	again.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	parts, err := again.MultipartReader()
	if err != nil {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "the form cannot be read: %w", err)
	}
	defer func() {
		if err != nil && received != nil {
			received.Close()
			received = nil
		}
	}()
	for {
		part, err := parts.NextPart()
		ended := err == io.EOF // as in form.read
		switch {
		case ended && received == nil:
			return nil, unprocessable("body.file", "there is no file")
		case ended:
			return received, nil
		case errors.Is(err, io.EOF):
			return received, scout.Errorf(scout.CodeInvalidArgument, "the form ends too early, or its boundary is another one than that of Content-Type").WithHint("%s", body.hint())
		case err != nil && body.broken == nil:
			return received, scout.Errorf(scout.CodeInvalidArgument, "the form cannot be read: %w", err)
		case err != nil:
			return received, body.explain(err)
		case files.Encoded(part) != nil:
			return received, files.Encoded(part)
		case part.FormName() != "file":
			return received, unprocessable("body."+part.FormName(), "there is no field %s: want file alone", part.FormName())
		case received != nil:
			return received, unprocessable("body.file", "there is a second file")
		}
		taken, takeErr := s.services.Imports.Receive(r.Context(), part)
		if takeErr != nil {
			return nil, body.explain(takeErr)
		}
		received = taken
		received.Audio = connectionOf(r).near
	}
}

// tellImport completes a job that imports. The name of its file is of no use to anybody.
func tellImport(j *store.Job, out *v1.Job) {
	var request importation.Request
	if json.Unmarshal(j.Options, &request) != nil {
		return // a defect; the job says so
	}
	out.Options, _ = json.Marshal(map[string]any{"audio": request.Audio, "size_bytes": request.Bytes, "sha256": request.SHA256}) // texts and numbers
	if done, found := importation.DoneOf(j); found && j.State == store.JobSucceeded {
		out.Result = &v1.JobResult{Imported: &v1.Imported{
			Recordings: done.Recordings, Already: done.Already, Audio: done.Audio, AudioMissing: done.AudioMissing, Undated: done.Undated, LeftOut: done.LeftOut,
		}}
	}
}
