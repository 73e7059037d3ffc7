// Package acceptance runs Go's clients of OpenAI against a daemon: make acceptance names it in the environment.
package acceptance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/realtime"
)

// place is where the daemon is; without one there is nothing to test.
func place(t *testing.T) (plain, secure, key, clip string) {
	t.Helper()
	plain, secure, key, clip = os.Getenv("SCOUT_HTTP"), os.Getenv("SCOUT_HTTPS"), os.Getenv("SCOUT_KEY"), os.Getenv("SCOUT_CLIP")
	if plain == "" {
		t.Skip("make acceptance runs this against a daemon")
	}
	return plain, secure, key, clip
}

// limited is a context for one check.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func said(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(strings.ToLower(text), "ask not what your country") {
		t.Errorf("the text is %q", text)
	}
}

// sound opens the clip.
func sound(t *testing.T, path string) io.Reader {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return openai.File(bytes.NewReader(data), filepath.Base(path), "audio/wav")
}

// pcm is the clip at 24 kHz: samples in between lie on the line between their neighbours.
func pcm(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("data")) + 8
	from := data[at:]
	sample := func(i int) int { return int(int16(binary.LittleEndian.Uint16(from[2*min(i, len(from)/2-1):]))) }
	var out []byte
	for i := range len(from) / 2 * 3 / 2 {
		value := sample(i*2/3) + (sample(i*2/3+1)-sample(i*2/3))*(i*2%3)/3
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(value)))
	}
	return out
}

func clients(t *testing.T) map[string]openai.Client {
	plain, secure, key, _ := place(t)
	return map[string]openai.Client{
		"plain": openai.NewClient(option.WithBaseURL(plain+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0)),
		"TLS":   openai.NewClient(option.WithBaseURL(secure+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0)), // HTTP/2; $SSL_CERT_FILE has the CA
	}
}

func TestNew(t *testing.T) {
	_, _, _, clip := place(t)
	for name, client := range clients(t) {
		got, err := client.Audio.Transcriptions.New(limited(t), openai.AudioTranscriptionNewParams{File: sound(t, clip), Model: openai.AudioModelWhisper1})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said(t, got.Text)
	}
}

func TestNewVerbose(t *testing.T) {
	_, _, _, clip := place(t)
	client := clients(t)["plain"]
	got, err := client.Audio.Transcriptions.New(limited(t), openai.AudioTranscriptionNewParams{
		File: sound(t, clip), Model: "moonshine-tiny-en", ResponseFormat: openai.AudioResponseFormatVerboseJSON, TimestampGranularities: []string{"word", "segment"},
	})
	if err != nil {
		t.Fatal(err)
	}
	verbose := got.AsTranscriptionVerbose()
	said(t, verbose.Text)
	if verbose.Language != "english" || len(verbose.Words) < 15 || len(verbose.Segments) == 0 || verbose.Duration < 10 {
		t.Errorf("%s", got.RawJSON())
	}
	for _, s := range verbose.Segments {
		if !s.JSON.Seek.Valid() || !s.JSON.Tokens.Valid() || !s.JSON.AvgLogprob.Valid() || !s.JSON.NoSpeechProb.Valid() || !s.JSON.CompressionRatio.Valid() {
			t.Errorf("a segment without a required field: %s", s.RawJSON())
		}
	}
}

func TestNewStreaming(t *testing.T) {
	_, _, _, clip := place(t)
	for name, client := range clients(t) {
		stream := client.Audio.Transcriptions.NewStreaming(limited(t), openai.AudioTranscriptionNewParams{File: sound(t, clip), Model: openai.AudioModelGPT4oTranscribe})
		var deltas, done string
		for stream.Next() {
			switch event := stream.Current(); event.Type {
			case "transcript.text.delta":
				deltas += event.Delta
			case "transcript.text.done":
				done = event.Text
			}
		}
		if err := stream.Err(); err != nil || deltas != done {
			t.Errorf("%s: %v: %q, %q", name, err, deltas, done)
		}
		said(t, done)
	}
}

func TestPostForText(t *testing.T) {
	_, _, _, clip := place(t)
	client := clients(t)["plain"]
	for format, begins := range map[openai.AudioResponseFormat]string{"text": "", "srt": "1\n00:00:0", "vtt": "WEBVTT\n\n"} {
		var raw *http.Response
		err := client.Post(limited(t), "audio/transcriptions", openai.AudioTranscriptionNewParams{File: sound(t, clip), Model: openai.AudioModelWhisper1, ResponseFormat: format}, &raw)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		body, err := io.ReadAll(raw.Body)
		_ = raw.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), begins) {
			t.Errorf("%s: %v: %q", format, err, body)
		}
	}
}

func TestErrors(t *testing.T) {
	_, _, _, clip := place(t)
	client := clients(t)["plain"]
	for want, params := range map[string]openai.AudioTranscriptionNewParams{
		"model_not_found":         {File: sound(t, clip), Model: "gpt-9"},
		"unsupported_value":       {File: sound(t, clip), Model: "whisper-1", ResponseFormat: "xml"},
		"invalid_language_format": {File: sound(t, clip), Model: "whisper-1", Language: openai.String("klingon!")},
	} {
		_, err := client.Audio.Transcriptions.New(limited(t), params)
		var refused *openai.Error
		if !errors.As(err, &refused) || refused.Code != want || refused.Type != "invalid_request_error" {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestModelList is the library's own, which asks for the list of models and nothing else.
func TestModelList(t *testing.T) {
	client := clients(t)["plain"]
	page, err := client.Models.List(limited(t))
	if err != nil {
		var refused *openai.Error
		if errors.As(err, &refused) {
			t.Log(string(refused.DumpRequest(true)))
		}
		t.Fatalf("err should be nil: %s", err.Error())
	}
	if len(page.Data) == 0 {
		t.Error("there is no model")
	}
}

// TestRealtimeClientSecretNew asks for a key of a session, as the library's own test does.
func TestRealtimeClientSecretNew(t *testing.T) {
	client := clients(t)["plain"]
	got, err := client.Realtime.ClientSecrets.New(limited(t), realtime.ClientSecretNewParams{
		ExpiresAfter: realtime.ClientSecretNewParamsExpiresAfter{Anchor: "created_at", Seconds: openai.Int(60)},
		Session:      realtime.ClientSecretNewParamsSessionUnion{OfTranscription: &realtime.RealtimeTranscriptionSessionCreateRequestParam{}},
	})
	if err != nil || !strings.HasPrefix(got.Value, "ek_") {
		t.Errorf("%v: %+v", err, got)
	}
}
