//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/testrun"
)

// realtimeSession opens a session with the daemon that runs. It is closed with the test.
func (h *house) realtimeSession(session string) *websocket.Conn {
	h.t.Helper()
	conn, response, err := websocket.Dial(h.t.Context(), "ws://scout/v1/realtime?intent=transcription", &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, daemon.SocketName))
		},
	}}})
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.CloseNow() })
	say(h.t, conn, `{"type":"session.update","session":`+session+`}`)
	return conn
}

func say(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
		t.Fatal(err)
	}
}

// appendSound sends sound.
func appendSound(t *testing.T, conn *websocket.Conn, sound []byte) {
	t.Helper()
	say(t, conn, `{"type":"input_audio_buffer.append","audio":"`+base64.StdEncoding.EncodeToString(sound)+`"}`)
}

// transcripts reads events until so many items are text, and compares each with its deltas.
func transcripts(t *testing.T, conn *websocket.Conn, items int) (all []string) {
	t.Helper()
	conn.SetReadLimit(1 << 20)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	deltas := map[string]string{}
	for len(all) < items {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		var e struct {
			Type, Delta, Transcript string
			Item                    string `json:"item_id"`
		}
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatal(err)
		}
		switch e.Type[strings.LastIndex(e.Type, ".")+1:] {
		case "delta":
			deltas[e.Item] += e.Delta
		case "completed":
			if e.Transcript != deltas[e.Item] {
				t.Errorf("the text is %q, its deltas %q", e.Transcript, deltas[e.Item])
			}
			all = append(all, e.Transcript)
		case "error", "failed":
			t.Fatalf("%s", data)
		}
	}
	return all
}

// TestARealtimeSessionSurvivesItsEngine kills the engine while two sessions speak. Each has every word, later.
func TestARealtimeSessionSurvivesItsEngine(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.must("status") // the daemon runs
	const format = `"format":{"type":"audio/pcm","rate":16000},"transcription":{"language":"en"}`
	byHand := h.realtimeSession(`{"audio":{"input":{` + format + `,"turn_detection":null}}}`)
	byServer := h.realtimeSession(`{"audio":{"input":{` + format + `,"turn_detection":{"type":"server_vad","silence_duration_ms":1500}}}}`)
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	const header, part = 44, 16000 / 10 * 2
	sound := slices.Concat(data[header:], make([]byte, 3*16000*2))
	for at := 0; at < len(sound); at += part {
		if seconds := at / 32000; at%32000 == 0 && (seconds == 4 || seconds == 8) {
			for _, process := range h.status().Processes {
				if process.Name == "scout-engine" {
					kill(t, process.PID, syscall.SIGKILL)
				}
			}
		}
		for _, conn := range []*websocket.Conn{byHand, byServer} {
			appendSound(t, conn, sound[at:min(at+part, len(sound))])
		}
		time.Sleep(50 * time.Millisecond) // twice as fast as it was spoken
	}
	say(t, byHand, `{"type":"input_audio_buffer.commit"}`)
	for name, conn := range map[string]*websocket.Conn{"by hand": byHand, "by the server": byServer} {
		got := transcripts(t, conn, 1)[0]
		if said, want := wordsOf(got), wordsOf(testrun.Spoken); !similar(said, want, 2) {
			t.Errorf("committed %s: %q", name, got)
		}
	}
	if count := h.status().Sessions.Realtime; count != 2 {
		t.Errorf("%d realtime sessions", count)
	}
}

// TestTheDaemonEndsWithRealtimeSessions finishes the text that was committed, and says that another daemon may be there soon.
func TestTheDaemonEndsWithRealtimeSessions(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.must("status")
	conn := h.realtimeSession(`{"audio":{"input":{"format":{"type":"audio/pcm","rate":16000},"transcription":{"delay":"xhigh"},"turn_detection":null}}}`)
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	appendSound(t, conn, data[44:])
	say(t, conn, `{"type":"input_audio_buffer.commit"}`)
	conn.SetReadLimit(1 << 20)
	for committed := false; !committed; {
		_, data, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		committed = bytes.Contains(data, []byte(`"input_audio_buffer.committed"`))
	}
	if holder, running := h.holder(); running {
		kill(t, holder.PID, syscall.SIGTERM)
	}
	if got := transcripts(t, conn, 1)[0]; !similar(wordsOf(got), wordsOf(testrun.Spoken), 2) {
		t.Errorf("%q", got)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the connection ended with %v", err)
	}
}
