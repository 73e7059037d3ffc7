package files_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/api/openai/files"
	"github.com/scout-speech/scout/internal/api/openai/files/filestest"
	"github.com/scout-speech/scout/internal/observe"
)

// told are the log events about files.
type told chan map[string]any

// Write takes a line.
func (to told) Write(line []byte) (int, error) {
	var event map[string]any
	if json.Unmarshal(line, &event) == nil && event["msg"] == "openai_file" {
		to <- event
	}
	return len(line), nil
}

// telling serves with a log.
func telling(t *testing.T) (*served, told) {
	t.Helper()
	events := make(told, 10)
	return serve(t, func(o *files.Options) {
		o.Scope = observe.NewScope(observe.NewLogger(events, observe.LogJSON, slog.LevelInfo), nil, nil)
	}), events
}

// Both ways in which a text is made: from a file that is complete, and from one that is still coming.
func orders(file part) map[string][]part {
	return map[string][]part{"fields first": {field("stream", "true"), file}, "file first": {file, field("stream", "true")}}
}

// minute is the frame at which a mark stands: a minute from the beginning.
const minute = 60 * 16000

// A client that goes in the middle of a stream ends the work on it, and is counted as what it is.
func TestAClientThatGoesInMidStream(t *testing.T) {
	t.Parallel()
	s, events := telling(t)
	for name, parts := range orders(audio(filestest.WAV(2*time.Minute, map[int]int16{minute: filestest.Hang}))) {
		body, media := form(parts...)
		ctx, leave := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/audio/transcriptions", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", media)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		stream := &stream{T: t, lines: bufio.NewScanner(response.Body)}
		if first := stream.next(); first["type"] != "transcript.text.delta" {
			t.Errorf("%s: first %v", name, first)
		}
		leave()
		_ = response.Body.Close() // it was left
		if event := <-events; event["outcome"] != "cancelled" || event["code"] != "cancelled" || event["early"] != (name == "fields first") {
			t.Errorf("%s: %v", name, event)
		}
		s.empty()
	}
}

// What fails in the middle of a stream is told by an event in the form of OpenAI's errors, and the stream ends behind it. Without a stream it is
// an answer.
func TestAFailureInMidStream(t *testing.T) {
	t.Parallel()
	s, events := telling(t)
	file := audio(filestest.WAV(2*time.Minute, map[int]int16{minute: filestest.Break}))
	for name, parts := range orders(file) {
		a := s.transcribe(parts...)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		stream := &stream{T: t, lines: bufio.NewScanner(strings.NewReader(a.body))}
		stream.lines.Buffer(nil, 1<<20)
		first, last, n := stream.next(), map[string]any(nil), 1
		for event := first; event != nil; event = stream.next() {
			last, n = event, n+1
		}
		if first["type"] != "transcript.text.delta" || !strings.HasPrefix(stream.text, filestest.Said) || strings.Contains(a.body, "transcript.text.done") {
			t.Errorf("%s: first %v, text %q", name, first, stream.text)
		}
		data, _ := json.Marshal(last) // it was JSON
		fault := answer{status: 500, body: string(data)}.fault(t)
		if fault.Type != "server_error" || fault.Param != nil || fault.Code != nil || fault.Message == "" || len(last) != 1 {
			t.Errorf("%s: the last of %d events is %v", name, n, last)
		}
		if event := <-events; event["outcome"] != "failed" || event["code"] != "model_corrupt" {
			t.Errorf("%s: %v", name, event)
		}
	}
	if a := s.transcribe(file); a.status != http.StatusInternalServerError || a.fault(t).Type != "server_error" {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.empty()
}

// A stretch that breaks the engine is left out and named, in a header or, in a stream, in a comment. Where nothing else is left it is an error,
// in every format.
func TestStretchesThatAreSetAside(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	alone := audio(filestest.WAV(time.Second, map[int]int16{0: filestest.Refuse}))
	some := audio(filestest.WAV(time.Minute, map[int]int16{0: filestest.Refuse}))
	var wait sync.WaitGroup // the engine tries again, after a while
	for _, format := range []string{"json", "text", "srt", "vtt", "verbose_json"} {
		wait.Go(func() {
			if a := s.transcribe(alone, field("response_format", format)); a.status != http.StatusInternalServerError || a.fault(t).Type != "server_error" {
				t.Errorf("%s: %d %s", format, a.status, a.body)
			}
		})
	}
	wait.Go(func() {
		if a := s.transcribe(some); a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("X-Scout-Set-Aside"), "0.00-") || object(t, a.body)["text"] == "" {
			t.Errorf("%d %v %s", a.status, a.header, a.body)
		}
	})
	for name, parts := range orders(some) {
		wait.Go(func() {
			if a := s.transcribe(parts...); !strings.Contains(a.body, "\n: x-scout-set-aside: 0.00-") || !strings.Contains(a.body, "transcript.text.done") {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		})
	}
	wait.Wait()
	s.empty()
}

// Every format with every name of a model, in a stream and without: what fits has a text, and what does not is refused in the same words.
func TestFormatsStreamsAndModels(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	file := audio(wav(time.Second, 0))
	for _, format := range []string{"", "json", "text", "verbose_json", "srt", "vtt", "diarized_json", "xml"} {
		for _, model := range []string{"", "default", "a", "whisper-1", "gpt-4o-transcribe", "gpt-4o-transcribe-diarize"} {
			for _, streams := range []string{"", "false", "true"} {
				a := s.transcribe(field("response_format", format), field("model", model), field("stream", streams), file)
				name := strings.Join([]string{format, model, streams}, ", ")
				want, media := http.StatusOK, map[string]string{"": "application/json", "json": "application/json", "verbose_json": "application/json"}[format]
				if media == "" {
					media = "text/plain; charset=utf-8"
				}
				switch {
				case format == "diarized_json", format == "xml":
					want, media = http.StatusBadRequest, ""
				case streams == "true" && slices.Contains([]string{"srt", "vtt", "verbose_json"}, format):
					want, media = http.StatusBadRequest, ""
				case streams == "true":
					media = "text/event-stream"
				}
				if a.status != want || media != "" && a.header.Get("Content-Type") != media {
					t.Errorf("%s: %d as %s, want %d as %s: %s", name, a.status, a.header.Get("Content-Type"), want, media, a.body)
				}
				if want != http.StatusOK {
					if e := a.fault(t); text(e.Param) != "response_format" || text(e.Code) != "unsupported_value" {
						t.Errorf("%s: %+v", name, e)
					}
					continue
				}
				if !strings.Contains(a.body, "Zoë") || a.header.Get("X-Scout-Model") != "a" || strings.Contains(a.body, "[DONE]") {
					t.Errorf("%s: %s by %q", name, a.body, a.header.Get("X-Scout-Model"))
				}
			}
		}
	}
	s.empty()
}

// A file whose decoder needs all of it is decoded when all of it is there, and its stream is as any other, also as that of a file that ffmpeg
// decodes while it comes.
func TestAStreamOfAFileThatMustBeComplete(t *testing.T) {
	t.Parallel()
	s, events := telling(t)
	for format, arguments := range map[string]string{"mp2": "-c:a mp2 -b:a 64k -f mp2", "aac": "-c:a aac -b:a 64k -f adts"} {
		file := audio(encoded(t, wav(20*time.Second, 0), arguments))
		for name, parts := range orders(file) {
			a := s.transcribe(parts...)
			if a.status != http.StatusOK || !strings.HasPrefix(a.body, "data: {\"type\":\"transcript.text.delta\"") || strings.Count(a.body, "transcript.text.done") != 1 {
				t.Errorf("%s, %s: %d %s", format, name, a.status, a.body)
			}
			if event := <-events; event["outcome"] != "text" || event["early"] != (format == "aac" && name == "fields first") {
				t.Errorf("%s, %s: %v", format, name, event)
			}
		}
	}
	if a := s.transcribe(field("stream", "true"), audio([]byte(strings.Repeat("\x00\x01\x02noise", 20000)))); a.status != http.StatusBadRequest || text(a.fault(t).Param) != "file" {
		t.Errorf("%d %s", a.status, a.body)
	}
	s.empty()
}

// Nothing of a body lies in the folder while it is received, and nothing is left of one that breaks off.
func TestNothingOfABodyHasAName(t *testing.T) {
	t.Parallel()
	s, events := telling(t)
	body, media := form(audio(wav(time.Minute, 0)))
	in, out := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", in)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", media)
	answered := make(chan error, 1)
	go func() { // ends with the body
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close() // its status is looked at elsewhere
		}
		answered <- err
	}()
	if _, err := out.Write(body[:len(body)/2]); err != nil { // the server has taken most of it
		t.Fatal(err)
	}
	s.empty()
	_ = out.CloseWithError(io.ErrUnexpectedEOF) // the client breaks off
	if err := <-answered; err == nil {
		t.Error("a client that breaks off got an answer")
	}
	if event := <-events; event["outcome"] == "text" || event["outcome"] == "failed" {
		t.Errorf("%v", event)
	}
	s.empty()
}
