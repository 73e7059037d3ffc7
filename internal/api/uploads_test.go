package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/testrun"
)

// wavFile is a WAV file of a quarter of a second.
func wavFile() string {
	samples := tone(4000)
	head := []byte("RIFF\x64\x1f\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x40\x1f\x00\x00")
	return string(head) + string(samples)
}

// tus sends a request of the protocol as a client with that key.
func (s *served) tus(key, method, path, body string, headers ...string) (answer, string) {
	s.t.Helper()
	headers = append([]string{"Tus-Resumable", "1.0.0"}, headers...)
	if body != "" {
		headers = append(headers, "Content-Type", "application/offset+octet-stream")
	}
	if key != "" {
		headers = append(headers, bearer(key)...)
	}
	if !strings.HasPrefix(path, "/api/") {
		path = "/api/v1" + path
	}
	return s.sends(method, path, body, headers...)
}

// sends sends a request over the network, with these headers alone.
func (s *served) sends(method, path, body string, headers ...string) (answer, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(data)
}

// begun begins an upload for the examples about uploads, and returns its id.
func (s *served) begun(operation string) string {
	s.t.Helper()
	if !strings.Contains(operation, "-uploads") {
		return ""
	}
	response, body := s.do("POST", "/api/v1/uploads", "", "Tus-Resumable", "1.0.0", "Upload-Length", "8044", "Upload-Metadata", meta("filename", "talk.wav"))
	if response.StatusCode != http.StatusCreated {
		s.t.Fatalf("%d %s", response.StatusCode, body)
	}
	return strings.TrimPrefix(response.Header.Get("Location"), "/api/v1/uploads/")
}

// meta is the header Upload-Metadata.
func meta(pairs ...string) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(out, ",")
}

func TestAnUploadInPiecesBecomesARecordingWithAJob(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	file := wavFile()
	response, body := s.tus(mine, "POST", "/uploads", "", "Upload-Length", strconv.Itoa(len(file)), "Upload-Metadata", meta("filename", `C:\..\talk.wav`, "tags", `["work"]`, "keywords", "Zoë"))
	at := response.Header.Get("Location")
	if response.StatusCode != http.StatusCreated || !strings.HasPrefix(at, "/api/v1/uploads/upl_") || response.Header.Get("Upload-Offset") != "0" {
		t.Fatalf("%d %v %s", response.StatusCode, response.Header, body)
	}
	for _, piece := range []struct{ from, to int }{{0, 1000}, {1000, 1001}, {1001, len(file)}} {
		response, body = s.tus(mine, "PATCH", at, file[piece.from:piece.to], "Upload-Offset", strconv.Itoa(piece.from))
		if response.StatusCode != http.StatusNoContent || response.Header.Get("Upload-Offset") != strconv.Itoa(piece.to) {
			t.Fatalf("%d %v %s", response.StatusCode, response.Header, body)
		}
		head, _ := s.tus(mine, "HEAD", at, "")
		if head.StatusCode != http.StatusOK || head.Header.Get("Upload-Offset") != strconv.Itoa(piece.to) || head.Header.Get("Upload-Length") != strconv.Itoa(len(file)) {
			t.Errorf("%d %v", head.StatusCode, head.Header)
		}
		if again, _ := s.tus(mine, "PATCH", at, "x", "Upload-Offset", strconv.Itoa(piece.from)); again.StatusCode != http.StatusConflict && again.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("bytes in the middle: %d", again.StatusCode)
		}
	}
	id, work := response.Header.Get("Scout-Recording"), response.Header.Get("Scout-Job")
	if head, _ := s.tus(mine, "HEAD", at, ""); head.Header.Get("Scout-Recording") != id || head.Header.Get("Scout-Job") != work {
		t.Errorf("asked again: %v", head.Header)
	}
	for _, key := range []string{mine, s.key} {
		_, text := s.ask("GET", "/api/v1/recordings/"+id, "", bearer(key)...)
		var r v1.RecordingInfo
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.Title != "talk.wav" || r.Source != "upload" || r.Client != "key_a" || r.SizeBytes != int64(len(file)) || r.MediaType != "audio/wav" || len(r.Tags) != 1 {
			t.Errorf("%s: %v", text, err)
		}
		if response, text := s.ask("GET", "/api/v1/recordings/"+id+"/audio", "", bearer(key)...); text != file || response.Header.Get("Content-Type") != "audio/wav" {
			t.Errorf("%d %v: %d bytes", response.StatusCode, response.Header, len(text))
		}
		if _, text := s.ask("POST", "/api/v1/recordings/"+id+"/verify", "", bearer(key)...); text != "{\"intact\":true}\n" {
			t.Errorf("verify: %s", text)
		}
	}
	_, text := s.ask("GET", "/api/v1/jobs/"+work, "", bearer(mine)...)
	var j v1.Job
	if err := json.Unmarshal([]byte(text), &j); err != nil || j.RecordingID != id || j.Client != "key_a" || string(j.Options) != `{"keywords":["Zoë"]}` {
		t.Errorf("%s: %v", text, err)
	}
	if again := s.submits(mine, id, `,"keywords":["Zoë"]`); again.ID != work {
		t.Errorf("the same work is job %s, want %s", again.ID, work)
	}
	for _, method := range []string{"HEAD", "PATCH", "DELETE"} { // it is not there for others
		if response, text := s.tus(other, method, at, ""); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s by somebody else: %d %s", method, response.StatusCode, text)
		}
	}
	for key, want := range map[string]int{mine: 1, other: 0, s.key: 1} {
		_, text := s.ask("GET", "/api/v1/uploads", "", bearer(key)...)
		var page v1.Page[v1.Upload]
		if err := json.Unmarshal([]byte(text), &page); err != nil || len(page.Data) != want || want > 0 && (page.Data[0].RecordingID != id || page.Data[0].JobID != work || page.Data[0].Filename != "talk.wav") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if response, text := s.tus(mine, "DELETE", at, ""); response.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	if response, _ := s.ask("GET", "/api/v1/recordings/"+id+"/audio", "", bearer(mine)...); response.StatusCode != http.StatusOK {
		t.Errorf("after the end of the upload its recording is gone: %d", response.StatusCode)
	}
	s.private()
}

// submits asks for a job of a recording.
func (s *served) submits(key, id, more string) (j v1.Job) {
	s.t.Helper()
	_, text := s.ask("POST", "/api/v1/jobs", `{"kind":"transcribe","recording_id":"`+id+`"`+more+`}`, bearer(key)...)
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return j
}

// private checks that others on this machine cannot read what was uploaded.
func (s *served) private() {
	s.t.Helper()
	err := testrun.Walk(filepath.Join(s.dir, "uploads"), func(path string, entry os.DirEntry) error {
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			s.t.Errorf("%s has the mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
}

// A client that cannot send PATCH, HEAD and DELETE sends POST and names them. Elsewhere the header means nothing.
func TestAMethodInAHeader(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	key := s.addKey("key_a", "client", 0)
	response, _ := s.tus(key, "POST", "/uploads", "", "Upload-Length", "10")
	at := response.Header.Get("Location")
	const override = "X-HTTP-Method-Override"
	for _, step := range []struct {
		method, path, body string
		headers            []string
		status             int
	}{
		{"POST", at, "abc", []string{override, "PATCH", "Upload-Offset", "0"}, 204},
		{"POST", at, "", []string{override, "HEAD"}, 200},
		{"POST", at, "", []string{override, "PUT"}, 405},
		{"PATCH", "/uploads", "", []string{override, "POST", "Upload-Length", "10"}, 201},
		{"DELETE", at, "abc", []string{override, "PATCH", "Upload-Offset", "3"}, 204},
		{"POST", at, "", []string{override, "DELETE"}, 204},
		{"HEAD", at, "", nil, 404},
	} {
		response, text := s.tus(key, step.method, step.path, step.body, step.headers...)
		if response.StatusCode != step.status || response.Header.Get("Tus-Resumable") != "1.0.0" {
			t.Errorf("%s %v: %d %v %s", step.method, step.headers, response.StatusCode, response.Header, text)
		}
	}
	if response, text := s.ask("GET", "/api/v1/recordings", "", append(bearer(key), override, "DELETE")...); response.StatusCode != http.StatusOK {
		t.Errorf("elsewhere: %d %s", response.StatusCode, text)
	}
}

func TestUploadsAreRefusedInOneForm(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	key := s.addKey("key_a", "client", 0)
	response, _ := s.tus(key, "POST", "/uploads", "", "Upload-Length", "10")
	at := response.Header.Get("Location")
	response, _ = s.tus(key, "POST", "/uploads", "", "Upload-Defer-Length", "1")
	later := response.Header.Get("Location")
	for situation, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               scout.Code
	}{
		"another version":                 {"POST", "/uploads", "", []string{"Tus-Resumable", "0.2.2", "Upload-Length", "1"}, 412, scout.CodePreconditionFailed},
		"no length":                       {"POST", "/uploads", "", nil, 400, scout.CodeInvalidArgument},
		"two lengths":                     {"POST", "/uploads", "", []string{"Upload-Length", "1", "Upload-Defer-Length", "1"}, 400, scout.CodeInvalidArgument},
		"a length of nothing":             {"POST", "/uploads", "", []string{"Upload-Length", "0"}, 400, scout.CodeAudioEmpty},
		"a length of nothing, told later": {"PATCH", later, "x", []string{"Upload-Offset", "0", "Upload-Length", "0"}, 400, scout.CodeAudioEmpty},
		"a length below nothing":          {"POST", "/uploads", "", []string{"Upload-Length", "-1"}, 400, scout.CodeInvalidArgument},
		"a length beyond reason":          {"POST", "/uploads", "", []string{"Upload-Length", "99999999999999999999"}, 400, scout.CodeInvalidArgument},
		"a file that is too large":        {"POST", "/uploads", "", []string{"Upload-Length", "2000000"}, 413, scout.CodeRequestTooLarge},
		"more than was announced":         {"POST", "/uploads", "abc", []string{"Upload-Length", "2"}, 413, scout.CodeRequestTooLarge},
		"metadata that is none":           {"POST", "/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", "filename ***"}, 400, scout.CodeInvalidArgument},
		"a field twice":                   {"POST", "/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", meta("title", "a", "title", "b")}, 400, scout.CodeInvalidArgument},
		"a field that is unknown":         {"POST", "/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", meta("lingo", "de")}, 422, scout.CodeInvalidArgument},
		"a title that is not UTF-8":       {"POST", "/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", meta("title", "\xff")}, 422, scout.CodeInvalidArgument},
		"a model that is not there":       {"POST", "/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", meta("model", "none")}, 404, scout.CodeModelNotInstalled},
		"the priority of a page":          {"POST", "/uploads", "", []string{"Upload-Length", "1", "Upload-Metadata", meta("priority", "interactive")}, 403, scout.CodePermissionDenied},
		"an upload that is not there":     {"HEAD", "/uploads/upl_01kb5ja0c8t2v6m4q9w3e7r1ya", "", nil, 404, scout.CodeNotFound},
		"a path that climbs":              {"HEAD", "/uploads/..%2f..%2fscout", "", nil, 404, scout.CodeNotFound},
		"no offset":                       {"PATCH", at, "abc", nil, 400, scout.CodeInvalidArgument},
		"another offset":                  {"PATCH", at, "abc", []string{"Upload-Offset", "3"}, 409, scout.CodeConflict},
		"more than there is room for":     {"PATCH", at, "abcdefghijk", []string{"Upload-Offset", "0"}, 413, scout.CodeRequestTooLarge},
		"another length":                  {"PATCH", at, "a", []string{"Upload-Offset", "0", "Upload-Length", "11"}, 400, scout.CodeInvalidArgument},
		"a place in another list":         {"GET", "/uploads?cursor=AAAA", "", nil, 400, scout.CodeInvalidArgument},
		"a place that is none":            {"GET", "/uploads?cursor=!", "", nil, 400, scout.CodeInvalidArgument},
		"an upload that is not readable":  {"GET", at, "", nil, 405, scout.CodeMethodNotAllowed},
	} {
		response, text := s.tus(key, c.method, c.path, c.body, c.headers...)
		if response.StatusCode != c.status || response.Header.Get(v1.HeaderCode) != string(c.code) || response.Header.Get("Tus-Resumable") != "1.0.0" {
			t.Errorf("%s: %d %v %s, want %d %s", situation, response.StatusCode, response.Header, text, c.status, c.code)
		}
	}
	if response, text := s.ask("PATCH", at, "abc", append(bearer(key), "Tus-Resumable", "1.0.0", "Upload-Offset", "0")...); response.StatusCode != http.StatusUnsupportedMediaType || strings.Contains(text, "JSON") {
		t.Errorf("bytes of another type: %d %s", response.StatusCode, text)
	}
	if head, _ := s.tus(key, "HEAD", at, ""); head.Header.Get("Upload-Offset") != "0" {
		t.Errorf("after all of that: %v", head.Header)
	}
	if options, _ := s.ask("OPTIONS", "/api/v1/uploads", "", bearer(key)...); options.StatusCode != http.StatusNoContent || options.Header.Get("Tus-Extension") != "creation,creation-with-upload,creation-defer-length,termination" || options.Header.Get("Tus-Max-Size") != "1048576" {
		t.Errorf("%d %v", options.StatusCode, options.Header)
	}
	s.tus(key, "DELETE", later, "")
	if response, _ := s.tus(key, "DELETE", at, ""); response.StatusCode != http.StatusNoContent {
		t.Errorf("%d", response.StatusCode)
	}
	if response, _ := s.tus(key, "HEAD", at, ""); response.StatusCode != http.StatusNotFound {
		t.Errorf("after its end: %d", response.StatusCode)
	}
	left, err := os.ReadDir(filepath.Join(s.dir, "uploads", ".incoming"))
	if err != nil || len(left) != 0 {
		t.Errorf("%v, %v: files of uploads that were refused or ended", left, err)
	}
}

// A purge leaves nothing of an upload: its description has the name of the file.
func TestAnUploadIsPurgedWithItsRecording(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	response, text := s.tus("", "POST", "/uploads", wavFile(), "Upload-Length", strconv.Itoa(len(wavFile())), "Upload-Metadata", meta("filename", "secret budget.wav"))
	id := response.Header.Get("Scout-Recording")
	if id == "" {
		t.Fatal(text)
	}
	if response, text := s.ask("DELETE", "/api/v1/recordings/"+id+"?purge=true", "", bearer(s.key)...); response.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	if response, _ := s.tus("", "HEAD", response.Header.Get("Location"), ""); response.StatusCode != http.StatusNotFound {
		t.Errorf("%d", response.StatusCode)
	}
	s.nothing("a purge")
}

// A connection that breaks costs nothing that was synced, and its client need not wait until the daemon has noticed.
func TestAnUploadGoesOnAfterItsConnectionBroke(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	file := wavFile()
	for situation, breaks := range map[string]func(net.Conn){
		"the client ended it":          func(c net.Conn) { _ = c.Close() },
		"the client went without word": func(net.Conn) {},
	} {
		response, _ := s.tus("", "POST", "/uploads", "", "Upload-Defer-Length", "1")
		at := response.Header.Get("Location")
		c := s.raw(t, "PATCH "+at+" HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 5000\r\n\r\n"+file[:2000])
		breaks(c)
		from := 0
		for from < 2000 { // the bytes are on their way
			head, _ := s.tus("", "HEAD", at, "")
			if head.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d", situation, head.StatusCode)
			}
			n, err := strconv.Atoi(head.Header.Get("Upload-Offset"))
			if err != nil || n < from {
				t.Fatalf("%s: %v", situation, head.Header)
			}
			if n == from && n > 0 {
				break
			}
			from = n
		}
		response, text := s.tus("", "PATCH", at, file[from:], "Upload-Offset", strconv.Itoa(from), "Upload-Length", strconv.Itoa(len(file)))
		id := response.Header.Get("Scout-Recording")
		if response.StatusCode != http.StatusNoContent || id == "" {
			t.Fatalf("%s: %d %s", situation, response.StatusCode, text)
		}
		if _, text := s.ask("GET", "/api/v1/recordings/"+id+"/audio", ""); text != file {
			t.Errorf("%s: other bytes than were sent", situation)
		}
	}
}

// A sender that stops is answered after a while, and what it has sent is kept.
func TestAnUploadThatStalls(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.times.Body = 50 * time.Millisecond })
	response, _ := s.tus("", "POST", "/uploads", "", "Upload-Length", "10")
	at := response.Header.Get("Location")
	c := s.raw(t, "PATCH "+at+" HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 10\r\n\r\nabc")
	answered, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answered), "HTTP/1.1 408") {
		t.Errorf("%s, %v", answered, err)
	}
	if head, _ := s.tus("", "HEAD", at, ""); head.Header.Get("Upload-Offset") != "3" {
		t.Errorf("%v", head.Header)
	}
}

// An upload that is under way does not hold the end of the server up, and what came of it is kept.
func TestAnUploadEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	response, _ := s.tus("", "POST", "/uploads", "", "Upload-Length", "10")
	at := response.Header.Get("Location")
	c := s.raw(t, "PATCH "+at+" HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 10\r\n\r\nabc")
	path := filepath.Join(s.dir, "uploads", ".incoming", strings.TrimPrefix(at, "/api/v1/uploads/")+".part")
	for size := int64(0); size < 3; {
		if info, err := os.Stat(path); err == nil {
			size = info.Size()
		}
		time.Sleep(time.Millisecond) // the file tells nobody that it grows
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Errorf("an upload held the end up: %v", err)
	}
	if answered, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answered), "HTTP/1.1 503") || !strings.Contains(string(answered), "Retry-After") {
		t.Errorf("%s, %v", answered, err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "abc" {
		t.Errorf("%q, %v", content, err)
	}
}

// The same Idempotency-Key begins one upload, also after a start of the daemon.
func TestAnUploadIsBegunOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := serveIn(t, dir, networked)
	begin := func(s *served, once, length string) (int, string) {
		response, _ := s.tus("", "POST", "/uploads", "", "Upload-Length", length, "Idempotency-Key", once)
		return response.StatusCode, response.Header.Get("Location")
	}
	_, at := begin(first, "a", "10")
	if status, again := begin(first, "a", "10"); status != http.StatusCreated || again != at {
		t.Errorf("%d %s, want %s", status, again, at)
	}
	if status, _ := begin(first, "a", "11"); status != http.StatusUnprocessableEntity {
		t.Errorf("for another upload: %d", status)
	}
	first.tus("", "PATCH", at, "abc", "Upload-Offset", "0")
	if err := first.store.Update(t.Context(), func(tx store.Tx) error { return tx.DeleteAccessKey("key_owner") }); err != nil {
		t.Fatal(err)
	}
	first.close()
	second := serveIn(t, dir, func(s *served) { s.tcp = true })
	if status, again := begin(second, "a", "10"); status != http.StatusCreated || again != at {
		t.Errorf("after a start: %d %s, want %s", status, again, at)
	}
	if head, _ := second.tus("", "HEAD", at, ""); head.Header.Get("Upload-Offset") != "3" {
		t.Errorf("after a start: %v", head.Header)
	}
}

// A full queue leaves no half of a recording behind, and the same request later succeeds.
func TestAnUploadForWhichTheQueueIsFull(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	key := s.addKey("key_a", "client", 0)
	s.recordFor(exampleID, "key_a")
	for i := range 200 {
		s.submits(key, string(exampleID), `,"keywords":["`+strconv.Itoa(i)+`"]`)
	}
	file := wavFile()
	response, text := s.tus(key, "POST", "/uploads", file, "Upload-Length", strconv.Itoa(len(file)))
	at := response.Header.Get("Location")
	if response.StatusCode != http.StatusTooManyRequests || at == "" || response.Header.Get("Retry-After") == "" {
		t.Fatalf("%d %v %s", response.StatusCode, response.Header, text)
	}
	var list v1.Page[v1.RecordingInfo]
	if _, said := s.ask("GET", "/api/v1/recordings", "", bearer(key)...); json.Unmarshal([]byte(said), &list) != nil || len(list.Data) != 1 || list.Data[0].ID != string(exampleID) {
		t.Errorf("recordings: %s", said)
	}
	if err := s.store.Update(t.Context(), func(tx store.Tx) error {
		ids, err := tx.JobsWithState(store.JobQueued, "")
		for _, id := range ids {
			err = errors.Join(err, tx.RemoveJob(id))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	response, text = s.tus(key, "PATCH", at, "", "Upload-Offset", strconv.Itoa(len(file)), "Content-Type", "application/offset+octet-stream")
	id := recording.ID(response.Header.Get("Scout-Recording"))
	if response.StatusCode != http.StatusNoContent || !id.Valid() || response.Header.Get("Scout-Job") == "" {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, text)
	}
}

// Of a file of 0 bytes, which an earlier version took, nothing was removed.
func TestARecordingOfNoBytes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	manifest, err := json.Marshal(recording.Manifest{ID: exampleID, State: recording.StateFinished, Upload: &recording.Upload{}})
	if err != nil {
		t.Fatal(err)
	}
	r := store.Recording{ID: string(exampleID), Source: store.SourceUpload, State: string(recording.StateFinished), StartedAt: time.Now(), Audio: store.AudioRemoved, Manifest: manifest}
	if err := s.store.Update(t.Context(), func(tx store.Tx) error { _, err := tx.PutRecording(r); return err }); err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{"GET /recordings/" + r.ID + "/audio": "", "POST /jobs": `{"kind":"transcribe","recording_id":"` + r.ID + `"}`} {
		method, path, _ := strings.Cut(path, " ")
		if response, text := s.do(method, "/api/v1"+path, body); response.StatusCode != http.StatusGone || !strings.Contains(text, "0 bytes") {
			t.Errorf("%s: %d %s", path, response.StatusCode, text)
		}
	}
}
