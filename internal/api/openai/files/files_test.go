package files_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/api/openai/files"
)

const said = "Hello Zoë."

// Every format has the fields that typed clients require, and no others.
func TestFormats(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	file := audio(wav(time.Second, 0))
	plain := s.transcribe(file)
	o := object(t, plain.body)
	has(t, o, "text", "languages", "usage")
	if usage, is := o["usage"].(map[string]any); !is || usage["type"] != "duration" || usage["seconds"] != 1.0 {
		t.Errorf("usage %v", o["usage"])
	}
	if plain.status != http.StatusOK || o["text"] != said || plain.header.Get(openai.HeaderModel) != "a" {
		t.Errorf("%d %v by %q", plain.status, o, plain.header.Get(openai.HeaderModel))
	}
	for format, want := range map[string]string{
		"text": said + "\n", "srt": "1\n00:00:00,400 --> ", "vtt": "WEBVTT\n\n00:00:00.400 --> ",
	} {
		a := s.transcribe(field("response_format", format), file)
		if !strings.HasPrefix(a.body, want) || !strings.HasSuffix(a.body, "\n") || a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %q as %s", format, a.body, a.header.Get("Content-Type"))
		}
	}
	verbose := []string{"task", "language", "duration", "text", "usage"}
	for _, of := range []struct {
		granularities []string
		more          []string
	}{{nil, []string{"segments"}}, {[]string{"word"}, []string{"words"}}, {[]string{"segment", "word"}, []string{"segments", "words"}}} {
		parts := []part{field("response_format", "verbose_json"), file}
		for _, g := range of.granularities {
			parts = append(parts, field("timestamp_granularities[]", g))
		}
		o := object(t, s.transcribe(parts...).body)
		has(t, o, append(of.more, verbose...)...)
		if o["task"] != "transcribe" || o["duration"] != 1.0 || o["text"] != said {
			t.Errorf("%v", o)
		}
		for _, segment := range list(o["segments"]) {
			has(t, segment, "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob")
			if segment["text"] != " "+said || segment["tokens"] == nil || segment["id"] != 0.0 {
				t.Errorf("segment %v", segment)
			}
		}
		for _, word := range list(o["words"]) {
			has(t, word, "word", "start", "end")
		}
	}
	s.empty()
}

func list(of any) (all []map[string]any) {
	values, _ := of.([]any)
	for _, v := range values {
		if o, is := v.(map[string]any); is {
			all = append(all, o)
		}
	}
	return all
}

// The bytes of the tokens, joined, are the text. Each is an entry, also one that holds a part of a character.
func TestLogProbs(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	o := object(t, s.transcribe(field("include[]", "logprobs"), audio(wav(time.Second, 0))).body)
	tokens, raw := spelt(t, o)
	if want := []string{"Hello", " Zo", "\uFFFD", "\uFFFD", "."}; !slices.Equal(tokens, want) {
		t.Errorf("tokens %q, want %q", tokens, want)
	}
	if raw != o["text"] || raw != said {
		t.Errorf("bytes %q of %v", raw, o["text"])
	}
	if o := object(t, s.transcribe(audio(wav(time.Second, 0))).body); o["logprobs"] != nil {
		t.Errorf("nobody asked for %v", o["logprobs"])
	}
}

// The models that report tokens at OpenAI report the same ones with and without a stream, and the others the length.
func TestUsage(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	counted := map[string]any{"type": "tokens", "input_tokens": 43.0, "output_tokens": 5.0, "total_tokens": 48.0, "input_token_details": map[string]any{"audio_tokens": 40.0, "text_tokens": 3.0}}
	length := map[string]any{"type": "duration", "seconds": 1.0}
	for name, want := range map[string]map[string]any{"gpt-4o-transcribe": counted, "gpt-4o-mini-transcribe": counted, "whisper-1": length, "": length, "a": length} {
		parts := []part{field("model", name), audio(wav(time.Second, 0))}
		if got := object(t, s.transcribe(parts...).body)["usage"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if got := object(t, s.transcribe(append(parts, field("response_format", "verbose_json"))...).body)["usage"]; !reflect.DeepEqual(got, length) {
			t.Errorf("%s, verbose: %v, want %v", name, got, length)
		}
		streamed := strings.Split(strings.TrimSpace(s.transcribe(append(parts, field("stream", "true"))...).body), "data: ")
		if got := object(t, streamed[len(streamed)-1])["usage"]; !reflect.DeepEqual(got, counted) {
			t.Errorf("%s, in a stream: %v, want %v", name, got, counted)
		}
	}
}

// spelt are the tokens of a body or an event, and what their bytes say.
func spelt(t *testing.T, o map[string]any) (tokens []string, raw string) {
	t.Helper()
	for _, token := range list(o["logprobs"]) {
		has(t, token, "token", "logprob", "bytes")
		text, _ := token["token"].(string)
		tokens = append(tokens, text)
		for _, b := range token["bytes"].([]any) { //nolint:errcheck,forcetypeassert // a failure is one of the test
			raw += string([]byte{byte(b.(float64))}) //nolint:errcheck,forcetypeassert // as above
		}
		if p, _ := token["logprob"].(float64); math.Abs(p+0.25) > 1e-6 {
			t.Errorf("logprob %v", token["logprob"])
		}
	}
	return tokens, raw
}

// What is wrong with a request is told with the field that is wrong.
func TestWrongRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *files.Options) { o.MostBytes, o.MostAudio = 1<<20, 10*time.Second })
	good := audio(wav(time.Second, 0))
	for name, c := range map[string]struct {
		parts  []part
		status int
		param  string
		code   string
		ours   scout.Code
	}{
		"no file":                     {[]part{field("model", "a")}, 400, "file", "missing_required_parameter", scout.CodeInvalidArgument},
		"two files":                   {[]part{good, good}, 400, "file", "invalid_value", scout.CodeInvalidArgument},
		"nothing in it":               {[]part{audio(nil)}, 400, "file", "", scout.CodeAudioEmpty},
		"no audio":                    {[]part{audio([]byte(strings.Repeat("this is text ", 100)))}, 400, "file", "", scout.CodeAudioUnsupported},
		"no frames":                   {[]part{audio(wav(0, 0))}, 400, "file", "", scout.CodeAudioEmpty},
		"too short":                   {[]part{audio(wav(50*time.Millisecond, 0))}, 400, "file", "audio_too_short", scout.CodeAudioTooShort},
		"too long":                    {[]part{audio(wav(12*time.Second, 0))}, 413, "", "request_too_large", scout.CodeAudioTooLong},
		"too many bytes":              {[]part{audio(wav(40*time.Second, 0))}, 413, "", "request_too_large", scout.CodeRequestTooLarge},
		"an unknown model":            {[]part{field("model", "gpt-5"), good}, 404, "", "model_not_found", scout.CodeModelUnknown},
		"a model that is not there":   {[]part{good, field("model", "b")}, 404, "", "model_not_found", scout.CodeModelNotInstalled},
		"no language":                 {[]part{field("language", "klingonese"), good}, 400, "language", "invalid_language_format", scout.CodeInvalidArgument},
		"a language it does not know": {[]part{field("language", "de"), good}, 400, "language", "unsupported_value", scout.CodeModelLanguage},
		"candidates it does not know": {[]part{field("languages[]", "de"), field("languages[]", "fr"), good}, 400, "language", "unsupported_value", scout.CodeModelLanguage},
		"a format":                    {[]part{field("response_format", "xml"), good}, 400, "response_format", "unsupported_value", scout.CodeInvalidArgument},
		"speakers":                    {[]part{field("response_format", "diarized_json"), good}, 400, "response_format", "unsupported_value", scout.CodeInvalidArgument},
		"a temperature":               {[]part{field("temperature", "1.5"), good}, 400, "temperature", "invalid_value", scout.CodeInvalidArgument},
		"a temperature of words":      {[]part{field("temperature", "NaN"), good}, 400, "temperature", "invalid_value", scout.CodeInvalidArgument},
		"words without a place":       {[]part{field("timestamp_granularities[]", "word"), good}, 400, "timestamp_granularities", "unsupported_value", scout.CodeInvalidArgument},
		"a granularity":               {[]part{field("timestamp_granularities", `["letter"]`), good}, 400, "timestamp_granularities", "unsupported_value", scout.CodeInvalidArgument},
		"a broken array":              {[]part{field("timestamp_granularities", `["word"`), good}, 400, "timestamp_granularities", "invalid_value", scout.CodeInvalidArgument},
		"what to include":             {[]part{field("include[]", "everything"), good}, 400, "include", "unsupported_value", scout.CodeInvalidArgument},
		"stream":                      {[]part{field("stream", "perhaps"), good}, 400, "stream", "invalid_value", scout.CodeInvalidArgument},
		"a stream of subtitles":       {[]part{field("stream", "true"), field("response_format", "srt"), good}, 400, "response_format", "unsupported_value", scout.CodeInvalidArgument},
		"how to cut":                  {[]part{field("chunking_strategy[type]", "sometimes"), good}, 400, "chunking_strategy", "invalid_value", scout.CodeInvalidArgument},
		"a threshold":                 {[]part{field("chunking_strategy", `{"type":"server_vad","threshold":7}`), good}, 400, "chunking_strategy", "invalid_value", scout.CodeInvalidArgument},
		"known speakers":              {[]part{field("known_speaker_names[]", "Ann"), good}, 400, "known_speaker_names", "unsupported_value", scout.CodeInvalidArgument},
		"a keyword":                   {[]part{field("keywords[]", strings.Repeat("k", 201)), good}, 400, "keywords", "invalid_value", scout.CodeInvalidArgument},
		"a field":                     {[]part{field("prompt", strings.Repeat("k", 64<<10+1)), good}, 400, "prompt", "invalid_value", scout.CodeInvalidArgument},
		"too many parts":              {append(slices.Repeat([]part{field("x", "y")}, 1000), good), 400, "", "invalid_value", scout.CodeInvalidArgument},
		"a stream that is too short":  {[]part{field("stream", "true"), audio(wav(50*time.Millisecond, 0))}, 400, "file", "audio_too_short", scout.CodeAudioTooShort},
	} {
		for _, form := range []part{field("stream", ""), field("stream", "true"), field("response_format", "text"), field("response_format", "srt")} {
			name := name + ", " + form.name + " " + string(form.content)
			if string(form.content) == "true" && c.ours == scout.CodeRequestTooLarge || slices.ContainsFunc(c.parts, func(p part) bool { return p.name == form.name || p.name == "stream" }) {
				continue // its text has begun; or the form is what is wrong
			}
			a := s.transcribe(append([]part{form}, c.parts...)...)
			if e := a.fault(t); a.status != c.status || text(e.Param) != c.param || text(e.Code) != c.code || a.header.Get("X-Scout-Code") != string(c.ours) {
				t.Errorf("%s: %d %q %q %s, want %+v: %s", name, a.status, text(e.Param), text(e.Code), a.header.Get("X-Scout-Code"), c, e.Message)
			}
		}
		a := s.transcribe(c.parts...)
		e := a.fault(t)
		if a.status != c.status || text(e.Param) != c.param || text(e.Code) != c.code || a.header.Get("X-Scout-Code") != string(c.ours) {
			t.Errorf("%s: %d %q %q %s, want %+v: %s", name, a.status, text(e.Param), text(e.Code), a.header.Get("X-Scout-Code"), c, e.Message)
		}
		if strings.Contains(e.Message, s.dir) || strings.Contains(e.Message, "/proc") {
			t.Errorf("%s: the message names a folder: %s", name, e.Message)
		}
	}
	whole, media := form(good)
	for name, c := range map[string]struct {
		media, body string
		status      int
	}{
		"JSON":             {"application/json", `{}`, 415},
		"no boundary":      {"multipart/form-data", "x", 400},
		"another boundary": {"multipart/form-data; boundary=other", string(whole), 400},
		"it ends early":    {media, string(whole[:len(whole)-60]), 400},
		"nothing":          {media, "", 400},
		"in base64":        {media, strings.Replace(string(whole), "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), 400},
	} {
		a := s.ask(http.MethodPost, "/v1/audio/transcriptions", http.Header{"Content-Type": {c.media}}, strings.NewReader(c.body))
		if e := a.fault(t); a.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, e.Message, c.status)
		}
	}
	s.empty()
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// Fields come in every form that clients write them in, before and after the file; those that Scout does not know are ignored.
func TestFormsOfFields(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	file := audio(wav(time.Second, 0))
	for name, parts := range map[string][]part{
		"brackets":       {field("timestamp_granularities[]", "word"), file, field("response_format", "verbose_json")},
		"no brackets":    {file, field("timestamp_granularities", "word"), field("response_format", "verbose_json")},
		"an array":       {field("timestamp_granularities", `["word"]`), field("response_format", "verbose_json"), file},
		"numbers":        {field("timestamp_granularities[0]", "word"), field("response_format", "verbose_json"), file},
		"the last wins":  {field("response_format", "xml"), field("response_format", "verbose_json"), field("timestamp_granularities[]", "word"), file},
		"all the others": {field("response_format", "verbose_json"), field("timestamp_granularities[]", "word"), file, field("temperature_inc", "0.2"), field("user", "x"), field("temperature", "0.2"), field("language", ""), field("model", "whisper-1"), field("chunking_strategy", "auto"), field("hotwords", "Zoë, Scout"), field("keywords", `["a"]`), field("languages[]", "en")},
	} {
		if a := s.transcribe(parts...); a.status != http.StatusOK || object(t, a.body)["words"] == nil || object(t, a.body)["segments"] != nil {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// stream reads the events of a stream.
type stream struct {
	*testing.T
	lines *bufio.Scanner
	text  string
}

// next returns the next event, nil at the end of the body.
func (s *stream) next() map[string]any {
	s.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		if line == "" || strings.HasPrefix(line, ":") {
			continue
		}
		data, is := strings.CutPrefix(line, "data: ")
		if !is {
			s.Fatalf("a line %q", line)
		}
		event := object(s.T, data)
		if event["type"] == "transcript.text.delta" {
			delta, _ := event["delta"].(string)
			if strings.TrimSpace(delta) == "" {
				s.Errorf("a blank delta")
			}
			s.text += delta
		}
		return event
	}
	return nil
}

// The text of a file comes before the file has ended, in deltas that are the text of the last event.
func TestTextBeforeTheEndOfTheUpload(t *testing.T) {
	t.Parallel()
	sound := wav(4*time.Minute, 0)
	for name, arguments := range map[string]string{"WAV": "", "MP3": "-c:a libmp3lame -b:a 64k -f mp3", "Vorbis": "-c:a libvorbis -f ogg", "FLAC": "-c:a flac -f flac"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			textBeforeTheEnd(t, encoded(t, sound, arguments))
		})
	}
}

// encoded is a WAV file in another format.
func encoded(t *testing.T, sound []byte, arguments string) []byte {
	t.Helper()
	if arguments == "" {
		return sound
	}
	made := exec.CommandContext(t.Context(), "ffmpeg", strings.Fields("-nostdin -loglevel error -f wav -i pipe:0 "+arguments+" pipe:1")...) //nolint:gosec // of this test
	made.Stdin = bytes.NewReader(sound)
	file, err := made.Output()
	if err != nil {
		t.Skipf("needs ffmpeg with its encoders: %v", err)
	}
	return file
}

func textBeforeTheEnd(t *testing.T, file []byte) {
	t.Helper()
	s := serve(t, nil)
	in, out := io.Pipe()
	w := multipart.NewWriter(out)
	heard := make(chan struct{})
	sent := make(chan error, 1)
	go func() { // ends with the request
		err := w.WriteField("stream", "true")
		if err == nil {
			err = w.WriteField("include[]", "logprobs")
		}
		part, _ := w.CreateFormFile("file", "x") // a failure is that of the next write
		if err == nil {
			_, err = part.Write(file[:len(file)/2])
		}
		<-heard
		if err == nil {
			_, err = part.Write(file[len(file)/2:])
		}
		if err == nil {
			err = w.Close()
		}
		sent <- err
		_ = out.Close()
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", in)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it is read to its end
	if h := response.Header; h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-cache" || h.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers %v", h)
	}
	events := &stream{T: t, lines: bufio.NewScanner(response.Body)}
	events.lines.Buffer(nil, 1<<20)
	first := events.next()
	if first["type"] != "transcript.text.delta" {
		t.Fatalf("first %v", first)
	}
	has(t, first, "type", "delta", "logprobs")
	if _, raw := spelt(t, first); raw != first["delta"] {
		t.Errorf("bytes %q of %v", raw, first)
	}
	close(heard)
	var last map[string]any
	for event := events.next(); event != nil; event = events.next() {
		last = event
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	has(t, last, "type", "text", "languages", "usage", "logprobs")
	if _, raw := spelt(t, last); raw != last["text"] {
		t.Errorf("bytes %q of %v", raw, last["text"])
	}
	usage, _ := last["usage"].(map[string]any)
	has(t, usage, "type", "input_tokens", "output_tokens", "total_tokens", "input_token_details")
	if last["type"] != "transcript.text.done" || last["text"] != events.text || !strings.HasPrefix(events.text, said+" Hello") {
		t.Errorf("the deltas are %q, the last event is %v", events.text, last)
	}
	if tokens, _ := usage["output_tokens"].(float64); tokens < 2 {
		t.Errorf("usage %v", usage)
	}
	s.empty()
}

// A field after the file counts, also where its text has begun: then the request is refused, or made once more.
func TestAFieldAfterAFileThatIsDecodedAsItComes(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	a := s.transcribe(field("stream", "true"), audio(wav(time.Second, 0)), field("model", "gpt-5"))
	if !strings.Contains(a.body, "model_not_found") && !strings.Contains(a.body, "before the file") {
		t.Errorf("%d %s: the field was ignored", a.status, a.body)
	}
}

// The same key gives the same answer, and another request with it is refused; two at once make one text.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	send := func(key string, parts ...part) answer {
		return s.post("/v1/audio/transcriptions", http.Header{"Idempotency-Key": {key}}, parts...)
	}
	file := audio(wav(time.Second, 0))
	var wait sync.WaitGroup
	bodies := make([]answer, 4)
	for i := range bodies {
		wait.Go(func() { bodies[i] = send("one", file, field("language", "en")) })
	}
	wait.Wait()
	for _, a := range bodies {
		if a.status != http.StatusOK || a.body != bodies[0].body {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if n := s.replayed.Load(); n != 3 {
		t.Errorf("%d answers were given again, want 3", n)
	}
	streamed := send("two", file, field("stream", "true"))
	if again := send("two", field("stream", "true"), file); again.body != streamed.body || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s, want %s", again.body, streamed.body)
	}
	if other := send("one", file, field("language", "fr")); other.status != http.StatusUnprocessableEntity {
		t.Errorf("another request: %d %s", other.status, other.body)
	}
	if bad := send(strings.Repeat("k", 256), file); bad.status != http.StatusBadRequest {
		t.Errorf("a long key: %d %s", bad.status, bad.body)
	}
	s.empty()
}

// What whisper.cpp's load script sends, a file and no model, gets 200 or 429 and nothing else.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	file := audio(wav(time.Second, 0))
	var wait sync.WaitGroup
	for range 48 {
		wait.Go(func() {
			if a := s.transcribe(file, field("temperature", "0.0"), field("response_format", "json")); a.status != http.StatusOK && a.status != http.StatusTooManyRequests {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wait.Wait()
	s.empty()
}

// Work that is not taken at present is refused before the file is read.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *files.Options) { o.Whole = time.Nanosecond })
	if a := s.transcribe(audio(wav(time.Second, 0))); a.status != http.StatusGatewayTimeout {
		t.Errorf("%d %s, want a time that is over", a.status, a.body)
	}
	s = serve(t, nil)
	why := scout.Errorf(scout.CodeUnavailable, "Scout only records")
	var refusal error = why
	s.refusal.Store(&refusal)
	if a := s.transcribe(audio(wav(time.Second, 0))); a.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestTranslationsNeedAModel(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for name, parts := range map[string][]part{"none named": {audio(wav(time.Second, 0))}, "one that cannot": {field("model", "a"), audio(wav(time.Second, 0))}} {
		a := s.post("/v1/audio/translations", nil, parts...)
		if e := a.fault(t); a.status != http.StatusBadRequest || text(e.Param) != "model" || text(e.Code) != openai.CodeUnsupportedValue {
			t.Errorf("%s: %d %+v", name, a.status, e)
		}
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	listed := object(t, s.ask(http.MethodGet, "/v1/models", nil, nil).body)
	has(t, listed, "object", "data")
	ids := []string{}
	for _, m := range list(listed["data"]) {
		has(t, m, "id", "object", "created", "owned_by", "shutdown_date")
		id, _ := m["id"].(string)
		ids = append(ids, id)
		if created, _ := m["created"].(float64); created < 1e9 {
			t.Errorf("%v", m)
		}
	}
	if want := append([]string{"a"}, openai.Aliases()...); !slices.Equal(ids, want) {
		t.Errorf("models %v, want %v", ids, want)
	}
	for path, want := range map[string]int{"/v1/models/a": 200, "/v1/models/whisper-1": 200, "/v1/models/b": 404, "/v1/models/org/x": 404, "/v1/models/org%2Fx": 404} {
		if a := s.ask(http.MethodGet, path, nil, nil); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for path, want := range map[string]int{"/v1/models/a": 409, "/v1/models/whisper-1": 400, "/v1/models/none": 404} {
		if a := s.ask(http.MethodDelete, path, nil, nil); a.status != want {
			t.Errorf("delete %s: %d %s", path, a.status, a.body)
		}
	}
	if data, err := json.Marshal(listed); err != nil || strings.Contains(string(data), s.dir) {
		t.Errorf("%s, %v", data, err)
	}
}
