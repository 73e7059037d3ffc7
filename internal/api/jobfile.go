package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai/files"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/upload"
)

// A form with a file.
const (
	formMedia     = "multipart/form-data"
	mostParts     = 1000
	mostFormField = 64 << 10
	// formSlack is what a form may be larger than its file.
	formSlack = 1 << 20
	// lookWithin bounds the look at a file.
	lookWithin = 5 * time.Second
)

// isForm reports whether a request brings a file along with its fields.
func isForm(r *http.Request) bool { return r.Method == http.MethodPost && isMedia(r, formMedia) }

// registerForm lets POST /jobs take a file. huma would keep all of it in memory.
func (s *Server) registerForm(api huma.API) {
	const pattern = http.MethodPost + " " + prefix + "/jobs"
	s.mux.instead = func(asked string, w http.ResponseWriter, r *http.Request) bool {
		if asked != pattern || !isForm(r) {
			return false
		}
		s.fileJob(w, r)
		return true
	}
	form := &huma.Schema{Type: huma.TypeObject, Required: []string{"file"}, Properties: map[string]*huma.Schema{
		"file": {Type: huma.TypeString, Format: "binary", Description: "The audio, in any format that Scout can decode"},
	}}
	for _, name := range []string{"kind", "title", "tags", "priority", "model", "language", "languages", "keywords", "prompt", "effort"} {
		form.Properties[name] = &huma.Schema{Type: huma.TypeString}
	}
	form.Properties[fieldWebhook] = &huma.Schema{Type: huma.TypeString, Description: "Who is told of the end of the job: an object with url and secret as JSON, or the parts webhook[url] and webhook[secret]"}
	operationAt(api.OpenAPI(), http.MethodPost, prefix+"/jobs").RequestBody.Content[formMedia] = &huma.MediaType{Schema: form}
}

// fileJob answers a request that brings the file with it.
func (s *Server) fileJob(w http.ResponseWriter, r *http.Request) {
	j, again, err := s.takeForm(r)
	if err != nil {
		writeError(w, err)
		return
	}
	if again {
		w.Header().Set(v1.HeaderReplayed, "true")
		s.metrics.replays.Inc()
	}
	w.Header().Set("Location", prefix+"/jobs/"+j.ID)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	data, _ := json.Marshal(j) // of texts and numbers
	_, _ = w.Write(append(data, '\n'))
}

// takeForm receives a form and makes the job. again is true where the same request was answered before.
func (s *Server) takeForm(r *http.Request) (j v1.Job, again bool, err error) {
	if r.ContentLength > s.services.Uploads.MostBytes()+formSlack {
		return j, false, scout.Errorf(scout.CodeRequestTooLarge, "the body has %d bytes: a file may have %d", r.ContentLength, s.services.Uploads.MostBytes())
	}
	once, err := onceKey(r)
	if err != nil {
		return j, false, err
	}
	if once != "" {
		leave, err := s.flights.board(r.Context(), once)
		if err != nil {
			return j, false, err
		}
		defer leave()
	} else if err := s.services.Jobs.Room(r.Context(), callerOf(r.Context()).id); err != nil {
		return j, false, err // before the file is written; one that was sent before gets its answer
	}
	body, leave := s.steadily(r)
	defer leave()
	f := &form{server: s, body: body, fields: make(map[string][]string)}
	defer f.close()
	if err := f.read(r); err != nil {
		return j, false, err
	}
	ctx := context.WithoutCancel(r.Context()) // what has come whole is kept, whoever is still there
	if err := f.settle(ctx, once); err != nil {
		return j, false, err
	}
	done, again, err := f.finish(ctx, once)
	if err != nil {
		return j, again, err
	}
	made, err := s.services.Jobs.Job(ctx, done.Job)
	if err != nil {
		return j, again, err
	}
	return s.jobOf(r.Context(), &made), again, nil
}

// form is a form that is received.
type form struct {
	server  *Server
	body    *steady
	fields  map[string][]string
	writing *upload.Writing // the file; nil before it came
	info    upload.Info
	keep    bool // the file stays
}

// close removes what is of no use.
func (f *form) close() {
	if f.writing == nil {
		return
	}
	if !f.keep {
		_ = f.writing.Remove() // it expires
	}
	f.writing.Close()
}

// read receives all parts, in any order.
func (f *form) read(r *http.Request) error {
	again := *r
	again.Body = struct {
		io.Reader
		io.Closer
	}{f.body, r.Body}
	parts, err := again.MultipartReader()
	if err != nil {
		return scout.Errorf(scout.CodeInvalidArgument, "the form cannot be read: %w", err)
	}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		ended := err == io.EOF // the end of the form; wrapped it is that of a body that ends before the form does
		switch {
		case ended && f.writing == nil:
			return unprocessable("body.file", "there is no file")
		case ended:
			return nil
		case errors.Is(err, io.EOF):
			return scout.Errorf(scout.CodeInvalidArgument, "the form ends too early, or its boundary is another one than that of Content-Type").WithHint("%s", f.body.hint())
		case err != nil && f.body.broken == nil:
			return scout.Errorf(scout.CodeInvalidArgument, "the form cannot be read: %w", err)
		case err != nil:
			return f.body.explain(err)
		case n == mostParts:
			return scout.Errorf(scout.CodeInvalidArgument, "the form has more than %d parts", mostParts)
		}
		if err := files.Encoded(part); err != nil {
			return err
		}
		if err := f.take(r.Context(), part); err != nil {
			return err
		}
	}
}

// take receives one part.
func (f *form) take(ctx context.Context, part *multipart.Part) error {
	name := strings.TrimSuffix(part.FormName(), "[]")
	if name == "file" {
		return f.takeFile(ctx, part)
	}
	value, err := io.ReadAll(io.LimitReader(part, mostFormField+1))
	switch {
	case err != nil:
		return f.body.explain(err)
	case len(value) > mostFormField:
		return scout.Errorf(scout.CodeInvalidArgument, "the field %q has more than %d bytes", name, mostFormField)
	case len(value) > 0: // an empty one is absent
		f.fields[name] = append(f.fields[name], string(value))
	}
	return nil
}

func (f *form) takeFile(ctx context.Context, part *multipart.Part) error {
	if f.writing != nil {
		return unprocessable("body.file", "there is a second file")
	}
	uploads := f.server.services.Uploads
	begun, _, err := uploads.Create(upload.Info{Length: upload.Unknown, Client: callerOf(ctx).id, Name: cleanName(part.FileName())})
	if err != nil {
		return err
	}
	if f.writing, err = uploads.Claim(ctx, begun.ID, f.body.interrupt); err != nil {
		return err
	}
	return f.body.explain(f.writing.Append(part))
}

// settle checks the fields and the file.
func (f *form) settle(ctx context.Context, once string) (err error) {
	fields, err := joined(f.fields)
	if err != nil {
		return err
	}
	if kinds := fields["kind"]; slices.ContainsFunc(kinds, func(kind string) bool { return kind != job.KindTranscribe }) {
		return unprocessable("body.kind", "want %s", job.KindTranscribe)
	}
	delete(fields, "kind")
	if f.info, err = f.server.wanted(ctx, "body.", fields); err != nil {
		return err
	}
	if !f.info.Transcribe {
		return unprocessable("body.transcribe", "a job makes a text: to send a file without one, use /uploads")
	}
	sum, err := f.writing.Sum()
	if err != nil {
		return err
	}
	f.info.Once, f.info.Request = once, hash(sum, fieldsText(f.fields))
	return f.look(ctx)
}

// joined are the fields with the parts name[key] of an object as one part with JSON. The webhook is the only object.
func joined(fields map[string][]string) (map[string][]string, error) {
	out, object := maps.Clone(fields), make(map[string]string)
	for name, values := range fields {
		key, is := strings.CutPrefix(name, fieldWebhook+"[")
		if !is {
			continue
		}
		key = strings.TrimSuffix(key, "]")
		last := values[len(values)-1]
		if !utf8.ValidString(last) {
			return nil, unprocessable("body."+name, "it is not UTF-8")
		}
		object[key] = last
		delete(out, name)
	}
	if len(object) == 0 {
		return out, nil
	}
	if len(out[fieldWebhook]) > 0 {
		return nil, unprocessable("body."+fieldWebhook, "it is there as JSON and as an object")
	}
	data, err := json.Marshal(object)
	out[fieldWebhook] = []string{string(data)}
	return out, err
}

// fieldsText is one text for the same fields, in whatever order they came.
func fieldsText(fields map[string][]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		all = append(all, hash(append([]string{name, strconv.Itoa(len(fields[name]))}, fields[name]...)...))
	}
	return strings.Join(all, " ")
}

// look refuses a file that is clearly not audio, or too much of it. What it cannot tell at once the job will.
func (f *form) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	failures := f.server.options.Failures
	reader, err := file.Open(ctx, f.writing.Path(), file.Options{Panicked: func(decoder string, value any) { failures.Panicked("audio/"+decoder, value) }})
	if err == nil {
		length := reader.Info().Duration
		if most := f.server.services.Uploads.MostAudio(); most > 0 && length > most {
			err = scout.Errorf(scout.CodeAudioTooLong, "the audio is %s long: at most %s are taken", length, most)
		}
		return errors.Join(err, reader.Close())
	}
	switch scout.CodeOf(err) {
	case scout.CodeAudioUnsupported, scout.CodeAudioCorrupt, scout.CodeAudioEmpty, scout.CodeDecoderMissing:
		return undecodable(recording.Unplaced(err, f.writing.Path(), "the file"))
	}
	return nil
}

// finish makes the recording and its job, unless the same request has made them.
func (f *form) finish(ctx context.Context, once string) (done upload.Status, again bool, err error) {
	if once != "" {
		if earlier, found := f.server.services.Uploads.Find(once); found {
			done, err = f.earlier(ctx, earlier)
			return done, err == nil, err
		}
	}
	length := f.writing.Status().Offset
	err = f.writing.Change(func(i *upload.Info) {
		i.Length, i.Title, i.Tags, i.Transcribe, i.Priority, i.Options = length, f.info.Title, f.info.Tags, true, f.info.Priority, f.info.Options
		i.Traceparent, i.Once, i.Request, i.Webhook = f.info.Traceparent, f.info.Once, f.info.Request, f.info.Webhook
	})
	if err == nil {
		done, err = f.writing.Finish(ctx)
	}
	f.keep = err == nil
	return done, false, err
}

// earlier is what the same request has made, also where the daemon ended before it was answered.
func (f *form) earlier(ctx context.Context, found upload.Status) (upload.Status, error) {
	if found.Request != f.info.Request {
		return found, scout.Errorf(scout.CodeIdempotencyKey, "this %s was used for another request", v1.HeaderIdempotency)
	}
	w, err := f.server.services.Uploads.Claim(ctx, found.ID, nil)
	if err != nil {
		return found, err
	}
	defer w.Close()
	return w.Finish(ctx)
}
