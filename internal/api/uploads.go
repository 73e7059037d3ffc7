package api

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/upload"
)

// The protocol of uploads. Source: tus.io, version 1.0.0.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,creation-defer-length,termination"
	tusMedia      = "application/offset+octet-stream"

	headerTus         = "Tus-Resumable"
	headerTusVersion  = "Tus-Version"
	headerOffset      = "Upload-Offset"
	headerLength      = "Upload-Length"
	headerDeferLength = "Upload-Defer-Length"
	headerMetadata    = "Upload-Metadata"
	headerMethod      = "X-HTTP-Method-Override"
)

// isUpload reports whether a path is one of the protocol.
func isUpload(path string) bool {
	return path == prefix+"/uploads" || strings.HasPrefix(path, prefix+"/uploads/")
}

// asTus gives a request of the protocol the method that it names: some clients cannot send PATCH and DELETE, and the protocol demands that the
// actual method does not count. Whoever may send the one must be let in for the other. h gets what every answer of the protocol has.
func (s *Server) asTus(h http.Header, r *http.Request) *http.Request {
	if s.services.Uploads == nil || !isUpload(r.URL.Path) {
		return r
	}
	h.Set(headerTus, tusVersion)
	method := r.Header.Get(headerMethod)
	if method == "" {
		return r
	}
	again := *r
	again.Method = method
	return &again
}

// registerUploads adds what takes files.
func (s *Server) registerUploads(api huma.API) {
	if s.services.Uploads == nil {
		return
	}
	header := func(name, description string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: description, Schema: textSchema()}
	}
	resumable := header(headerTus, "1.0.0")
	s.add(api, stream{
		about: about{
			method: http.MethodOptions, path: "/uploads", role: roleClient, summary: "What the protocol of uploads can do",
			description: "The answer has no body. Tus-Version, Tus-Extension and Tus-Max-Size tell it.", status: http.StatusNoContent,
		},
		handler: func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set(headerTus, tusVersion)
			h.Set(headerTusVersion, tusVersion)
			h.Set("Tus-Extension", tusExtensions)
			h.Set("Tus-Max-Size", strconv.FormatInt(s.services.Uploads.MostBytes(), 10))
			w.WriteHeader(http.StatusNoContent)
		},
	})
	s.add(api, stream{
		about: about{
			method: http.MethodPost, path: "/uploads", role: roleClient, streamed: true, summary: "Begin an upload",
			description: "By the tus protocol, 1.0.0. Location is where the bytes are sent. With the content type application/offset+octet-stream the body is the beginning of the file, or all of it. " +
				"Upload-Metadata has filename, filetype, title, tags, transcribe, priority, the options of a text (model, language, languages, keywords, prompt, effort), and webhook, who is told of the end of the job: an object with url and secret as JSON.",
			errors: uploadErrors(scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeModelLanguage), status: http.StatusCreated,
		},
		parameters: []*huma.Param{
			resumable, header(headerLength, "The size of the file in bytes"), header(headerDeferLength, "1: the size is told later"),
			header(headerMetadata, "Names, each with a value in base64, separated by commas"),
		},
		handler: tus(s.beginUpload),
	})
	s.add(api, stream{
		about: about{
			method: http.MethodHead, path: "/uploads/{id}", role: roleClient, thing: thingUpload, summary: "How much of an upload is there",
			description: "Upload-Offset is where the client goes on. Once the upload is a recording, Scout-Recording and Scout-Job name it and its job.",
			errors:      []scout.Code{scout.CodeNotFound, scout.CodeGone, scout.CodePreconditionFailed, scout.CodeUploadLocked},
		},
		parameters: []*huma.Param{idParameter(), resumable}, handler: tus(s.lookAtUpload),
	})
	s.add(api, stream{
		about: about{
			method: http.MethodPatch, path: "/uploads/{id}", role: roleClient, thing: thingUpload, streamed: true, summary: "Send bytes of an upload",
			description: "The body goes behind the bytes that are there. 204 means that they are on the disk. With the last byte the upload becomes a recording with a job, in one transaction. " +
				"A connection that breaks costs nothing: ask for the offset and go on.",
			errors: uploadErrors(scout.CodeNotFound, scout.CodeGone, scout.CodeConflict, scout.CodeUploadLocked, scout.CodeQueueFull), status: http.StatusNoContent,
		},
		parameters: []*huma.Param{idParameter(), resumable, header(headerOffset, "How many bytes are there"), header(headerLength, "The size, where it was to be told later")},
		handler:    tus(s.continueUpload),
	})
	s.add(api, stream{
		about: about{
			method: http.MethodDelete, path: "/uploads/{id}", role: roleClient, thing: thingUpload, summary: "End an upload",
			description: "Removes what was sent. What has become a recording stays one.",
			errors:      []scout.Code{scout.CodeNotFound, scout.CodeGone, scout.CodePreconditionFailed, scout.CodeUploadLocked}, status: http.StatusNoContent,
		},
		parameters: []*huma.Param{idParameter(), resumable}, handler: tus(s.endUpload),
	})
	s.registerForm(api)
	operation(api, about{
		method: http.MethodGet, path: "/uploads", role: roleClient, summary: "List uploads",
		description: "One page of the uploads that have not ended, and of those that ended lately, newest first.",
	}, s.uploads)
}

// uploadErrors are those of requests that write.
func uploadErrors(more ...scout.Code) []scout.Code {
	return append(more, scout.CodeAudioEmpty, scout.CodePreconditionFailed, scout.CodeRequestTooLarge, scout.CodeRequestTimeout, scout.CodeMediaType, scout.CodeDiskLow, scout.CodeDiskFull)
}

// tus is a handler of the protocol: it answers in its version only, and with the errors of Scout.
func tus(handle func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(headerTus, tusVersion)
		w.Header().Set("Cache-Control", "no-store")
		var err error
		if given := r.Header.Get(headerTus); given != tusVersion {
			w.Header().Set(headerTusVersion, tusVersion)
			err = scout.Errorf(scout.CodePreconditionFailed, "the header %s is %q: only %s is spoken here", headerTus, given, tusVersion).WithHint("use a client of tus %s", tusVersion)
		} else {
			err = handle(w, r)
		}
		if err == nil {
			return
		}
		writeError(w, err)
	}
}

// onceKey is the key under which a client may ask for the same again; empty for none.
func onceKey(r *http.Request) (string, error) {
	values := r.Header.Values(v1.HeaderIdempotency)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	outside := func(c rune) bool { return c < ' ' || c > '~' }
	if len(values) > 1 || key == "" || len(key) > maxKeyBytes || strings.ContainsFunc(key, outside) {
		return "", unprocessable("header."+v1.HeaderIdempotency, "the key is not one value of up to %d printable characters", maxKeyBytes)
	}
	return hash("upload", callerOf(r.Context()).answers(), key), nil
}

// lengthOf is the size that a client announces.
func lengthOf(h http.Header) (int64, error) {
	given, later := h.Values(headerLength), h.Values(headerDeferLength)
	switch {
	case len(given)+len(later) != 1 || len(later) == 1 && later[0] != "1":
		return 0, scout.Errorf(scout.CodeInvalidArgument, "want either %s, or %s: 1", headerLength, headerDeferLength)
	case len(later) == 1:
		return upload.Unknown, nil
	}
	return count(headerLength, given[0])
}

// count is the number in a header.
func count(header, text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, scout.Errorf(scout.CodeInvalidArgument, "the header %s is %q: want a number of bytes", header, text)
	}
	return int64(n), nil //nolint:gosec // of 63 bits
}

func (s *Server) beginUpload(w http.ResponseWriter, r *http.Request) error {
	length, err := lengthOf(r.Header)
	if err != nil {
		return err
	}
	sends := r.ContentLength != 0
	if sends && !isMedia(r, tusMedia) {
		return notTus()
	}
	if length != upload.Unknown && r.ContentLength > length {
		return scout.Errorf(scout.CodeRequestTooLarge, "the body has %d bytes, and the upload %d", r.ContentLength, length)
	}
	info, err := s.described(r)
	if err != nil {
		return err
	}
	info.Length = length
	if info.Once, err = onceKey(r); err != nil {
		return err
	}
	info.Request = hash(strconv.FormatInt(length, 10), info.Request)
	begun, again, err := s.services.Uploads.Create(info)
	if err != nil {
		return err
	}
	w.Header().Set("Location", prefix+"/uploads/"+begun.ID)
	if again {
		w.Header().Set(v1.HeaderReplayed, "true")
		s.metrics.replays.Inc()
	} else if sends {
		if begun, err = s.takes(r, begun.ID, func(upload.Status) error { return nil }); err != nil {
			return err
		}
	}
	tell(w.Header(), &begun)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// tell says how far an upload is, and what became of it.
func tell(h http.Header, u *upload.Status) {
	h.Set(headerOffset, strconv.FormatInt(u.Offset, 10))
	if u.State == upload.Done {
		h.Set(v1.HeaderRecording, u.Recording)
		if u.Job != "" {
			h.Set(v1.HeaderJob, u.Job)
		}
	}
}

func isMedia(r *http.Request, want string) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == want
}

// takes appends the body of a request to an upload, and makes a recording of it with its last byte.
func (s *Server) takes(r *http.Request, id string, check func(upload.Status) error) (upload.Status, error) {
	body, leave := s.steadily(r)
	defer leave()
	body.kept = true
	w, err := s.services.Uploads.Claim(r.Context(), id, body.interrupt)
	if err != nil {
		return upload.Status{}, err
	}
	defer w.Close()
	if err := check(w.Status()); err != nil {
		return upload.Status{}, err
	}
	if given := r.Header.Get(headerLength); given != "" && r.Method == http.MethodPatch {
		n, err := count(headerLength, given)
		if err == nil {
			err = w.SetLength(n)
		}
		if err != nil {
			return upload.Status{}, err
		}
	}
	at := w.Status()
	most := at.Length
	if most == upload.Unknown {
		most = s.services.Uploads.MostBytes()
	}
	if r.ContentLength > most-at.Offset {
		return upload.Status{}, scout.Errorf(scout.CodeRequestTooLarge, "the body has %d bytes: only %d more are taken", r.ContentLength, most-at.Offset)
	}
	var broken error
	if at.State == upload.Receiving && r.ContentLength != 0 {
		broken = body.explain(w.Append(body))
	}
	done, err := w.Finish(context.WithoutCancel(r.Context())) // the last byte may have come before the connection broke
	if broken != nil {
		err = broken
	}
	return done, err
}

func notTus() error {
	return scout.Errorf(scout.CodeMediaType, "the body of an upload has the content type %s", tusMedia).WithHint("send the bytes of the file with this type; or a form to /api/v1/jobs")
}

func (s *Server) continueUpload(w http.ResponseWriter, r *http.Request) error {
	if !isMedia(r, tusMedia) {
		return notTus()
	}
	at, err := count(headerOffset, r.Header.Get(headerOffset))
	if err != nil {
		return err
	}
	now, err := s.takes(r, r.PathValue("id"), func(u upload.Status) error {
		if u.Offset != at {
			return scout.Errorf(scout.CodeConflict, "%d bytes are there, and not %d", u.Offset, at).WithHint("ask for the offset again: HEAD")
		}
		return nil
	})
	if err != nil {
		return err
	}
	tell(w.Header(), &now)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) lookAtUpload(w http.ResponseWriter, r *http.Request) error {
	writing, err := s.services.Uploads.Claim(r.Context(), r.PathValue("id"), nil) // whoever sends is gone, or the offset would be of no use
	if err != nil {
		return err
	}
	now := writing.Status()
	writing.Close()
	h := w.Header()
	if now.Length == upload.Unknown {
		h.Set(headerDeferLength, "1")
	} else {
		h.Set(headerLength, strconv.FormatInt(now.Length, 10))
	}
	if now.Metadata != "" {
		h.Set(headerMetadata, now.Metadata)
	}
	tell(h, &now)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) endUpload(w http.ResponseWriter, r *http.Request) error {
	writing, err := s.services.Uploads.Claim(r.Context(), r.PathValue("id"), nil)
	if err != nil {
		return err
	}
	defer writing.Close()
	if err := writing.Remove(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// described is an upload as the headers of a request describe it.
func (s *Server) described(r *http.Request) (upload.Info, error) {
	header := r.Header.Get(headerMetadata)
	fields, err := metadata(header)
	if err != nil {
		return upload.Info{}, err
	}
	info, err := s.wanted(r.Context(), "header."+headerMetadata+".", fields)
	info.Metadata, info.Request = withoutSecrets(header), hash(header)
	return info, err
}

// withoutSecrets is the header as it is kept, and told to whoever asks how far an upload is.
func withoutSecrets(header string) string {
	var kept []string
	for pair := range strings.SplitSeq(header, ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(pair), " "); name != fieldWebhook {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, ",")
}

// metadata are the values of the header of that name.
func metadata(header string) (map[string][]string, error) {
	fields := make(map[string][]string)
	if strings.TrimSpace(header) == "" {
		return fields, nil
	}
	for pair := range strings.SplitSeq(header, ",") {
		name, coded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(coded))
		_, twice := fields[name]
		if err != nil || name == "" || twice {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "the header %s cannot be read: want names, each once and with a value in base64, separated by commas", headerMetadata)
		}
		fields[name] = []string{string(value)}
	}
	return fields, nil
}

// steady is the body of a request that may take as long as it likes, while bytes come.
type steady struct {
	ctx      context.Context //nolint:containedctx // that of the one request
	body     io.Reader
	deadline func(time.Time)
	within   time.Duration
	kept     bool // what came before it broke stays

	mu     sync.Mutex
	why    error // that nothing more is read; nil while it is
	broken error // of the last Read, but for its end
	over   bool  // the connection is no longer this request's
}

// errInterrupted ends the reading of a body whose client has come back by another connection.
var errInterrupted = scout.Errorf(scout.CodeUploadLocked, "another request goes on with this upload")

// steadily returns the body of a request, with a deadline for each part of it. It ends with the server: a file of some gigabytes would hold
// its end up. The caller calls leave.
func (s *Server) steadily(r *http.Request) (body *steady, leave func()) {
	body = &steady{ctx: r.Context(), body: r.Body, within: s.times.Body, deadline: func(time.Time) {}}
	if bounded, is := r.Body.(*requestBody); is {
		body.deadline = func(at time.Time) { _ = bounded.control.SetReadDeadline(at) } // a writer of a test has none
	}
	left := make(chan struct{})
	go func() { // ended by leave
		select {
		case <-s.ending:
			body.stop(resilience.RetryAfter(scout.Errorf(scout.CodeUnavailable, "the daemon is stopping"), stopsWithin))
		case <-left:
		}
	}()
	return body, func() {
		close(left)
		body.mu.Lock()
		defer body.mu.Unlock()
		body.over = true
	}
}

// Read implements io.Reader.
func (s *steady) Read(p []byte) (int, error) {
	s.deadline(time.Now().Add(s.within))
	if why := s.stopped(); why != nil {
		return 0, why
	}
	if err := context.Cause(s.ctx); err != nil { // its key was deleted
		return 0, err
	}
	n, err := s.body.Read(p)
	if why := s.stopped(); why != nil && err != nil && !errors.Is(err, io.EOF) {
		err = why
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.broken = err
	}
	return n, err
}

// stopped is why nothing more is read; nil while it is.
func (s *steady) stopped() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// stop ends a Read, now or later. The first reason counts.
func (s *steady) stop(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	if s.why == nil {
		s.why = why
	}
	s.deadline(time.Now())
}

// interrupt ends a Read for whoever goes on with the upload.
func (s *steady) interrupt() { s.stop(errInterrupted) }

// explain returns what is wrong with a body in words for its client.
func (s *steady) explain(err error) error {
	switch coded := (*scout.Error)(nil); {
	case err == nil || errors.As(err, &coded):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return scout.Errorf(scout.CodeRequestTimeout, "no byte of the body came within %s", s.within).WithHint("%s", s.hint())
	}
	return scout.Errorf(scout.CodeInvalidArgument, "the body ends too early").WithHint("%s", s.hint())
}

// hint is what a client does whose body broke off.
func (s *steady) hint() string {
	if s.kept {
		return "what came is kept: go on from there"
	}
	return "nothing of it is kept: send it again"
}
