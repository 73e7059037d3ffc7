package api_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// transcribing has a server make text of realtime sessions, by a model of the tests.
func transcribing(s *served) {
	scope := observe.NewScope(nil, s.registry, nil)
	s.services.Realtime = realtime.New(realtime.Options{
		Scope: scope, Failures: observe.NewFailures(scope), Dir: s.dir, Budget: freespace.NewBudget(s.dir, func() int64 { return 0 }), MostAudio: time.Hour,
		Check: func(_ context.Context, ask realtime.Ask) *realtime.Problem {
			if ask.Model == "nobodys" {
				return &realtime.Problem{Code: "invalid_model", Param: "model", Message: "it is not installed"}
			}
			return nil
		},
		Borrow: func(context.Context, realtime.Ask) (realtime.Recognizer, func(), error) {
			return realtime.Recognizer{Model: "a", Engine: speechtest.Model{}, Known: "en"}, func() {}, nil
		},
	})
}

// dialRealtime opens a session. The answer is that of a refusal.
func (s *served) dialRealtime(query string, header http.Header, subprotocols ...string) (*websocket.Conn, *http.Response, error) {
	s.t.Helper()
	conn, response, err := websocket.Dial(s.t.Context(), "http://"+s.address+"/v1/realtime"+query, &websocket.DialOptions{HTTPHeader: header, Subprotocols: subprotocols})
	if err == nil {
		s.t.Cleanup(func() { _ = conn.CloseNow() }) // most have ended
	}
	return conn, response, err
}

// nextOf reads events until one of a type.
func nextOf(t *testing.T, conn *websocket.Conn, suffix string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("before %s: %v", suffix, err)
		}
		var e map[string]any
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatal(err)
		}
		if kind, _ := e["type"].(string); strings.HasSuffix(kind, suffix) {
			return e
		}
	}
}

func tells(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

// sixteen is sound of the tests as 16-bit samples.
func sixteen(data []byte) string {
	var out []byte
	for ; len(data) >= 4; data = data[4:] {
		v := math.Float32frombits(binary.LittleEndian.Uint32(data))
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(math.Round(float64(v)*32768))))
	}
	return base64.StdEncoding.EncodeToString(out)
}

func TestARealtimeSession(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), transcribing)
	conn, response, err := s.dialRealtime("?intent=transcription&model=gpt-4o-realtime-preview&api-version=1", nil, "realtime") //nolint:bodyclose // it is that of a WebSocket
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Sec-WebSocket-Protocol"); got != "realtime" {
		t.Errorf("the protocol is %q", got)
	}
	if got := nextOf(t, conn, "session.created"); got["type"] != "session.created" {
		t.Errorf("%v", got)
	}
	tells(t, conn, `{"type":"session.update","session":{"audio":{"input":{"turn_detection":null,"format":{"type":"audio/pcm","rate":16000}}}}}`)
	nextOf(t, conn, "updated")
	tells(t, conn, `{"type":"input_audio_buffer.append","audio":"`+sixteen(speechtest.Sound(0, 10*speechtest.WordFrames))+`"}`)
	tells(t, conn, `{"type":"input_audio_buffer.commit"}`)
	nextOf(t, conn, "committed")
	if got := nextOf(t, conn, "completed"); got["usage"] == nil || got["languages"] == nil {
		t.Errorf("%v", got)
	}
	if err := conn.Write(t.Context(), websocket.MessageBinary, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if body, _ := nextOf(t, conn, "error")["error"].(map[string]any); body["code"] != "invalid_event" {
		t.Errorf("%v", body)
	}
}

func TestSessionsThatAreNone(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), transcribing)
	for query, want := range map[string]string{
		"?call_id=1": "not_found", "?intent=conversation": "not_found", "?model=nobodys": "model_not_found", "?intent=transcription&intent=transcription": "invalid_value",
	} {
		_, response, err := s.dialRealtime(query, nil)
		if err == nil || response == nil {
			t.Fatalf("%s: %v", query, err)
		}
		var body struct {
			Error struct{ Code string } `json:"error"`
		}
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil || body.Error.Code != want {
			t.Errorf("%s: %d %s, want %s; %v", query, response.StatusCode, body.Error.Code, want, err)
		}
		_ = response.Body.Close()
	}
	if response, _ := s.ask("GET", "/v1/realtime", ""); response.StatusCode != http.StatusBadRequest {
		t.Errorf("no WebSocket: %d", response.StatusCode)
	}
}

// The keys of pages open realtime sessions as the program wanted, and nothing else.
func TestKeysOfPages(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), transcribing, func(s *served) { s.network.KeysAlways = true })
	key := s.addKey("key_a", "client", 0)
	as := []string{"Authorization", "Bearer " + key}
	response, body := s.ask("POST", "/v1/realtime/client_secrets", `{"expires_after":{"anchor":"created_at","seconds":60},"session":{"type":"transcription","audio":{"input":{"turn_detection":null}}}}`, as...)
	var made struct {
		Value     string
		ExpiresAt int64           `json:"expires_at"`
		Session   json.RawMessage `json:"session"`
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || response.StatusCode != http.StatusOK || !strings.HasPrefix(made.Value, "ek_") {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if left := time.Until(time.Unix(made.ExpiresAt, 0)); left > time.Minute || left < 50*time.Second || !strings.Contains(string(made.Session), `"turn_detection":null`) {
		t.Errorf("%s", body)
	}
	conn, _, err := s.dialRealtime("", http.Header{"Origin": {"http://" + s.address}}, "realtime", v1.KeyProtocol+made.Value) //nolint:bodyclose // it is that of a WebSocket
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := json.Marshal(nextOf(t, conn, "created")); !strings.Contains(string(got), `"turn_detection":null`) {
		t.Errorf("%s", got)
	}
	conn, _, err = s.dialRealtime("?model=gpt-4o-transcribe", nil, "realtime", v1.KeyProtocol+made.Value) //nolint:bodyclose // as above
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := json.Marshal(nextOf(t, conn, "created")); !strings.Contains(string(got), `"turn_detection":null`) || !strings.Contains(string(got), `"model":"gpt-4o-transcribe"`) {
		t.Errorf("with another model: %s", got)
	}
	response, body = s.ask("POST", "/v1/realtime/transcription_sessions", `{"input_audio_format":"g711_ulaw"}`, as...)
	var flat struct {
		Secret struct{ Value string } `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(body), &flat); err != nil || response.StatusCode != http.StatusOK || !strings.Contains(body, `"input_audio_format":"g711_ulaw"`) {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	conn, _, err = s.dialRealtime("", nil, "realtime", v1.KeyProtocol+flat.Secret.Value) //nolint:bodyclose // as above
	if err != nil {
		t.Fatal(err)
	}
	if got := nextOf(t, conn, "created"); got["type"] != "transcription_session.created" {
		t.Errorf("%v", got)
	}
	for situation, c := range map[string]struct {
		path, body, key string
		status          int
		text            string
	}{
		"another path":       {"/v1/realtime/client_secrets", "", made.Value, 403, string(scout.CodePermissionDenied)},
		"a key that is none": {"/v1/realtime/client_secrets", "", "ek_none", 401, "invalid_api_key"},
		"a bad field":        {"/v1/realtime/client_secrets", `{"session":{"audio":{"input":{"format":{"rate":1}}}}}`, key, 400, `"param":"session.audio.input.format.rate","code":"invalid_value"`},
		"a bad flat field":   {"/v1/realtime/sessions", `{"input_audio_format":"mp3"}`, key, 400, `"param":"input_audio_format","code":"invalid_value"`},
		"too long":           {"/v1/realtime/client_secrets", `{"expires_after":{"seconds":7201}}`, key, 400, `"param":"expires_after.seconds"`},
		"no JSON":            {"/v1/realtime/client_secrets", `{`, key, 400, "invalid_value"},
		"a call":             {"/v1/realtime/calls", `{}`, key, 404, "unknown_url"},
	} {
		if response, body := s.ask("POST", c.path, c.body, "Authorization", "Bearer "+c.key); response.StatusCode != c.status || !strings.Contains(body, c.text) {
			t.Errorf("%s: %d %s", situation, response.StatusCode, body)
		}
	}
	if response, body := s.do("DELETE", "/api/v1/keys/key_a", ""); response.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if _, response, err := s.dialRealtime("", nil, "realtime", v1.KeyProtocol+made.Value); err == nil || response.StatusCode != http.StatusUnauthorized { //nolint:bodyclose // it was refused
		t.Errorf("a key of a page outlives the one that made it: %v", err)
	}
}

// A server that stops says so to who speaks.
func TestRealtimeEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, listening(), transcribing)
	conn, _, err := s.dialRealtime("", nil) //nolint:bodyclose // it is that of a WebSocket
	if err != nil {
		t.Fatal(err)
	}
	nextOf(t, conn, "created")
	ended := make(chan error, 1)
	go func() { ended <- s.server.Shutdown(context.WithoutCancel(t.Context())) }() // waited for
	for {
		if _, _, err = conn.Read(t.Context()); err != nil {
			break
		}
	}
	if websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("%v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
