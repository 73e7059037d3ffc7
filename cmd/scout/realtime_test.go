//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
		var e realtimeEvent
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

// realtimeKills says how often two realtime sessions have their engine killed.
const realtimeKills = "SCOUT_REALTIME_KILLS"

// TestARealtimeSessionSurvivesItsEngine kills the engine at two random moments while two sessions speak, again and again. Each has every word,
// later, and a recording beside them is what the device delivered.
func TestARealtimeSessionSurvivesItsEngine(t *testing.T) {
	t.Parallel()
	needModel(t)
	rounds := 1
	n, err := strconv.Atoi(os.Getenv(realtimeKills))
	printed := err == nil
	if printed {
		rounds = n
	}
	h := inHouse(quietBooth(t))
	h.must("start", "--device", codedDevice)
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	const header, part = 44, 16000 / 10 * 2
	sound := slices.Concat(data[header:], make([]byte, 3*16000*2))
	var whole, items int
	var late spread
	for range rounds {
		const format = `"format":{"type":"audio/pcm","rate":16000},"transcription":{"language":"en"}`
		sessions := map[string]*websocket.Conn{
			"by hand":       h.realtimeSession(`{"audio":{"input":{` + format + `,"turn_detection":null}}}`),
			"by the server": h.realtimeSession(`{"audio":{"input":{` + format + `,"turn_detection":{"type":"server_vad","silence_duration_ms":1500}}}}`),
		}
		const second = 10 * part // the engine works before it
		moments := []int{second + rand.IntN(4*second), 6*second + rand.IntN(4*second)}
		for at := 0; at < len(sound); at += part {
			if len(moments) > 0 && at >= moments[0] {
				moments = moments[1:]
				h.killEngine()
			}
			for _, conn := range sessions {
				appendSound(t, conn, sound[at:min(at+part, len(sound))])
			}
			time.Sleep(50 * time.Millisecond) // twice as fast as it was spoken
		}
		ended := time.Now()
		for name, conn := range sessions {
			got := allOf(t, conn)
			late = append(late, time.Since(ended))
			items += len(got)
			if said, want := wordsOf(strings.Join(got, " ")), wordsOf(testrun.Spoken); !similar(said, want, 2) {
				t.Errorf("committed %s: %q", name, got)
				continue
			}
			whole++
		}
		if count := h.status().Sessions.Realtime; count != 2 {
			t.Errorf("%d realtime sessions", count)
		}
		for _, conn := range sessions {
			_ = conn.CloseNow() // it has all that it wants
		}
		for h.asked().Sessions.Realtime > 0 {
			time.Sleep(10 * time.Millisecond) // the end of a connection takes a moment
		}
	}
	h.must("stop")
	m := h.only()
	h.wholeSignal(m)
	if printed {
		group := figures{t, fmt.Sprintf("engine killed %d times in realtime sessions", 2*rounds)}
		group.report("sessions with all words", fmt.Sprintf("%d of %d, in %d items that were completed", whole, 2*rounds, items), "all", whole == 2*rounds)
		group.report("recording beside them", fmt.Sprintf("%d frames, 0 lost, 0 wrong", m.Frames), "bit-exact", !t.Failed())
		group.report("all text after the end of the sound", late.String(), "", true)
	}
}

// killEngine kills the engines that run, one at least.
func (h *house) killEngine() {
	h.t.Helper()
	for killed := false; !killed && h.t.Context().Err() == nil; {
		for _, process := range h.asked().Processes {
			if process.Name == "scout-engine" {
				kill(h.t, process.PID, syscall.SIGKILL)
				killed = true
			}
		}
		time.Sleep(time.Millisecond) // it is started again
	}
}

// allOf ends what is open in a session and returns the text of each item.
func allOf(t *testing.T, conn *websocket.Conn) (all []string) {
	t.Helper()
	say(t, conn, `{"type":"input_audio_buffer.commit"}`)
	say(t, conn, `{"type":"conversation.item.delete","item_id":"the end"}`) // the answer is the last one
	conn.SetReadLimit(1 << 20)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	deltas, committed, last := map[string]string{}, 0, false
	for !last || len(all) < committed {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
		var e realtimeEvent
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatal(err)
		}
		switch e.Type[strings.LastIndex(e.Type, ".")+1:] {
		case "committed":
			committed++
		case "delta":
			deltas[e.Item] += e.Delta
		case "completed":
			if e.Transcript != deltas[e.Item] {
				t.Errorf("the text is %q, its deltas %q", e.Transcript, deltas[e.Item])
			}
			all = append(all, e.Transcript)
		case "failed":
			t.Fatalf("%s", data)
		case "error":
			if last = strings.Contains(e.Error.Message, "no such item"); !last && e.Error.Code != "input_audio_buffer_commit_empty" {
				t.Fatalf("%s", data)
			}
		}
	}
	return all
}

// realtimeEvent is what a session tells, as far as it is looked at.
type realtimeEvent struct {
	Type, Delta, Transcript string
	Item                    string `json:"item_id"`
	Error                   struct{ Code, Message string }
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
