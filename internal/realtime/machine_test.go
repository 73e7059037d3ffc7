package realtime_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// quiet is a session whose engine and client do what a test says.
func quiet(t *testing.T) *world {
	w := newWorld(t, rand.New(rand.NewPCG(2, 2))) //nolint:gosec // the same for every run
	w.say(`{"type":"session.update","session":{"audio":{"input":{"turn_detection":null}}}}`)
	w.events = nil
	return w
}

func (w *world) types() (all []string) {
	for _, e := range w.events {
		kind, _ := e["type"].(string)
		all = append(all, kind[strings.LastIndex(kind, ".")+1:])
	}
	return all
}

func (w *world) want(types ...string) {
	w.t.Helper()
	if got := w.types(); !slices.Equal(got, types) {
		w.t.Fatalf("events %v, want %v", got, types)
	}
}

func TestAnItemOfTheClient(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	w.speak(95*time.Millisecond, false)
	w.say(`{"type":"input_audio_buffer.commit","event_id":"mine"}`)
	w.want("error")
	if body, _ := w.events[0]["error"].(map[string]any); body["event_id"] != "mine" || body["code"] != "input_audio_buffer_commit_empty" {
		t.Fatalf("%v", body)
	}
	w.events = nil
	w.speak(2*time.Second, false)
	w.say(`{"type":"input_audio_buffer.commit"}`)
	w.hear(true)
	w.want("committed", "added", "delta", "done", "completed")
	usage, _ := w.events[4]["usage"].(map[string]any)
	if w.events[4]["transcript"] != "w0 w1" || usage["seconds"] != 3.0 {
		t.Fatalf("%v", w.events[4])
	}
}

func TestTurnsOfTheServer(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	w.say(`{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"type":"server_vad","silence_duration_ms":600},"transcription":{"delay":"xhigh"}}}}}`)
	w.events = nil
	w.speak(3*time.Second, false)
	w.want("speech_started")
	for range 10 { // the end of the turn waits for what the engine hears of the pause
		w.speak(100*time.Millisecond, true)
		if len(w.events) == 1 {
			w.hear(true)
		}
	}
	w.want("speech_started", "speech_stopped", "committed", "added")
	start, _ := w.events[0]["audio_start_ms"].(float64)
	end, _ := w.events[1]["audio_end_ms"].(float64)
	if start < 180 || start > 260 || end < 3580 || end > 3680 { // the first tone is at 0.5 s, the last one ends at 3 s
		t.Fatalf("a turn from %v to %v ms", start, end)
	}
	w.say(`{"type":"input_audio_buffer.clear"}`)
	w.say(`{"type":"input_audio_buffer.commit"}`)
	w.want("speech_started", "speech_stopped", "committed", "added", "cleared")
	w.now = w.now.Add(3 * time.Second)
	w.say(`{"type":"input_audio_buffer.commit"}`)
	w.want("speech_started", "speech_stopped", "committed", "added", "cleared", "error")
}

func TestInvalidMessages(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	for range 99 {
		if err := w.machine.Message([]byte(`{}`), w.now); err != nil {
			t.Fatal(err)
		}
	}
	w.say(`{"type":"nonsense"}`) // an event, if an unknown one: the count begins anew
	for range 99 {
		if err := w.machine.Binary(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.machine.Message([]byte(`"x"`), w.now); err == nil {
		t.Fatal("the hundredth message in a row that is no event does not end the session")
	}
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ session, param string }{
		{`{"type":"realtime"}`, "session.type"},
		{`{"audio":{"input":{"format":{"type":"audio/opus"}}}}`, "session.audio.input.format.type"},
		{`{"audio":{"input":{"format":{"type":"audio/pcm","rate":7999}}}}`, "session.audio.input.format.rate"},
		{`{"audio":{"input":{"format":{"type":"audio/pcmu","rate":16000}}}}`, "session.audio.input.format.rate"},
		{`{"audio":{"input":{"transcription":{"delay":"soon"}}}}`, "session.audio.input.transcription.delay"},
		{`{"audio":{"input":{"transcription":{"model":7}}}}`, "session.audio.input.transcription.model"},
		{`{"audio":{"input":{"turn_detection":{"type":"server_vad","threshold":2}}}}`, "session.audio.input.turn_detection.threshold"},
		{`{"audio":{"input":{"turn_detection":{"type":"semantic_vad","eagerness":"very"}}}}`, "session.audio.input.turn_detection.eagerness"},
		{`{"audio":{"input":{"noise_reduction":{"type":"none"}}}}`, "session.audio.input.noise_reduction.type"},
		{`{"include":["all"]}`, "session.include"},
		{`7`, "session"},
		{`[]`, "session"},
		{`null`, "session"},
		{`{"input_audio_format":"g711_ulaw","turn_detection":null}`, "session.input_audio_format"},
		{`{"type":"transcription","turn_detection":null}`, "session.turn_detection"},
		{`{"turn_detection":null,"audio":{"input":{"turn_detection":null}}}`, ""},
		{`{"audio":{"input":{"format":{"type":"audio/pcmu","rate":8000}}},"unknown":1}`, ""},
		{`{"audio":{"input":{"turn_detection":{"type":"semantic_vad","create_response":true}}}}`, ""},
		{`{"audio":{"input":{"transcription":null,"noise_reduction":null,"turn_detection":null},"output":{}},"include":["item.input_audio_transcription.logprobs"]}`, ""},
	} {
		w := quiet(t)
		w.say(`{"type":"session.update","session":` + c.session + `}`)
		if c.param == "" {
			w.want("updated")
			continue
		}
		w.want("error")
		body, _ := w.events[0]["error"].(map[string]any)
		if message, _ := body["message"].(string); body["param"] != c.param || body["code"] != "invalid_value" || !strings.HasPrefix(message, c.param+": ") {
			t.Errorf("%s: %v", c.session, body)
		}
	}
}

// A session in the form of the other dialect is told: ignored it would make the sound something else.
func TestASessionOfTheOtherDialect(t *testing.T) {
	t.Parallel()
	for session, param := range map[string]string{
		`{"audio":{"input":{"format":{"type":"audio/pcmu"}}}}`:                              "session.audio",
		`{"audio":{"input":{"format":{"type":"audio/pcmu"}}},"input_audio_format":"pcm16"}`: "",
		`{"unknown":1}`: "",
	} {
		_, err := realtime.DefaultConfig("").Update(json.RawMessage(session), true, nil)
		var problem *realtime.Problem
		if errors.As(err, &problem) != (param != "") || problem != nil && problem.Param != param {
			t.Errorf("%s: %v", session, err)
		}
	}
}

func TestAnUpdateChangesWhatItHas(t *testing.T) {
	t.Parallel()
	config := realtime.DefaultConfig("gpt-realtime-whisper")
	for _, session := range []string{
		`{"audio":{"input":{"transcription":{"language":"de","delay":"low"}}}}`,
		`{"audio":{"input":{"transcription":{"delay":null,"keywords":["Scout"]}}}}`,
	} {
		var err error
		if config, err = config.Update(json.RawMessage(session), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := json.Marshal(config.Body("sess_1", time.Unix(1795939200, 0)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"transcription","object":"realtime.transcription_session","id":"sess_1","expires_at":1795939200,"include":null,"audio":{"input":` +
		`{"format":{"type":"audio/pcm","rate":24000},"transcription":{"model":"gpt-realtime-whisper","language":"de","languages":null,"keywords":["Scout"],"prompt":null,"delay":null},` +
		`"noise_reduction":null,"turn_detection":null}}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if config, err = config.Update(json.RawMessage(`{"audio":{"input":{"transcription":{"model":"whisper-1"}}}}`), false, nil); err != nil || config.Detection == nil {
		t.Errorf("a model whose clients leave turns to the server has none: %v", err)
	}
	const beta = `{"id":"sess_1","object":"realtime.transcription_session","expires_at":1795939200,"client_secret":null,"input_audio_format":"pcm16",` +
		`"input_audio_transcription":{"model":"whisper-1","language":"de","prompt":""},"input_audio_noise_reduction":null,` +
		`"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500},"include":[]}`
	if got, err = json.Marshal(config.BetaBody("sess_1", time.Unix(1795939200, 0), nil)); err != nil || string(got) != beta {
		t.Errorf("got  %s\nwant %s", got, beta)
	}
}

// encoded is sound as a client sends it.
func encoded(sound []float64, enc audio.Encoding) []byte {
	values := make([]float32, 256)
	if enc != audio.Int16 {
		codes := make([]byte, 256)
		for i := range codes {
			codes[i] = byte(i)
		}
		audio.Decode(values, codes, enc)
	}
	var data []byte
	for _, v := range sound {
		if enc == audio.Int16 {
			n := uint16(int16(math.Round(v * 32767)))
			data = append(data, byte(n), byte(n>>8))
			continue
		}
		nearest := 0
		for i := range values {
			if math.Abs(float64(values[i])-v) < math.Abs(float64(values[nearest])-v) {
				nearest = i
			}
		}
		data = append(data, byte(nearest))
	}
	return data
}

// TestFormatsOfSound sends the same words in each format, cut anywhere, and listens to what comes of it.
func TestFormatsOfSound(t *testing.T) {
	t.Parallel()
	const words = 12
	for _, c := range []struct {
		format string
		rate   int
		enc    audio.Encoding
	}{
		{`{"type":"audio/pcm","rate":24000}`, 24000, audio.Int16},
		{`{"type":"audio/pcm","rate":8000}`, 8000, audio.Int16},
		{`{"type":"audio/pcm","rate":44100}`, 44100, audio.Int16},
		{`{"type":"audio/pcm","rate":48000}`, 48000, audio.Int16},
		{`{"type":"audio/pcmu"}`, 8000, audio.MuLaw},
		{`{"type":"audio/pcma"}`, 8000, audio.ALaw},
	} {
		w := quiet(t)
		w.say(`{"type":"session.update","session":{"audio":{"input":{"format":` + c.format + `}}}}`)
		data := encoded(speechtest.ToneSound(0, words, c.rate), c.enc)
		for len(data) > 0 {
			n := min(len(data), 1+w.r.IntN(3001))
			w.append(data[:n])
			data = data[n:]
		}
		w.say(`{"type":"input_audio_buffer.commit"}`)
		if want := words * rate / 2; len(w.kept) != want {
			t.Errorf("%s: %d frames became %d", c.format, want, len(w.kept))
		}
		if got := textOf(speechtest.HearTones(w.kept)); got != speechtest.ToneScript(0, words) {
			t.Errorf("%s: %s", c.format, got)
		}
		w.say(`{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}}}`)
		w.speak(10*time.Millisecond, true)
		w.say(`{"type":"session.update","session":{"audio":{"input":{"format":` + c.format + `}}}}`)
		if types := w.types(); types[len(types)-1] != "error" {
			t.Errorf("%s: a format may change while sound is not committed", c.format)
		}
	}
}

func TestTheBetaDialect(t *testing.T) {
	t.Parallel()
	var w *world
	for seed := uint64(0); w == nil || w.machine.Beta(); seed++ {
		w = newWorld(t, rand.New(rand.NewPCG(3, seed))) //nolint:gosec // the same for every run
	}
	w.say(`{"type":"transcription_session.update","session":{"turn_detection":null,"input_audio_transcription":{"model":"whisper-1"}}}`)
	w.speak(2*time.Second, false)
	w.hear(true)
	w.machine.Add(w.machine.Next(), " early", nil, 0, w.now)
	w.say(`{"type":"input_audio_buffer.commit"}`)
	w.machine.Add(w.machine.Next(), " late", nil, 0, w.now) // whisper-1 has one delta all the same
	w.hear(true)
	w.want("created", "updated", "committed", "created", "delta", "completed")
	if w.events[1]["type"] != "transcription_session.updated" || w.events[3]["type"] != "conversation.item.created" {
		t.Fatalf("%v", w.events)
	}
}

func TestItemsCanBeRetrieved(t *testing.T) {
	t.Parallel()
	w := quiet(t)
	w.speak(2*time.Second, false)
	w.say(`{"type":"input_audio_buffer.commit"}`)
	w.hear(true)
	id, _ := w.events[0]["item_id"].(string)
	w.say(`{"type":"conversation.item.create","item":{"id":"own","type":"message"}}`)
	w.events = nil
	for _, message := range []string{
		`{"type":"conversation.item.retrieve","item_id":"` + id + `"}`, `{"type":"conversation.item.retrieve","item_id":"own"}`,
		`{"type":"conversation.item.delete","item_id":"` + id + `"}`, `{"type":"conversation.item.delete","item_id":"` + id + `"}`,
	} {
		w.say(message)
	}
	w.want("retrieved", "retrieved", "deleted", "error")
	if text, _ := json.Marshal(w.events[0]["item"]); !strings.Contains(string(text), `"transcript":"w0 w1"`) {
		t.Errorf("%s", text)
	}
	if text, _ := json.Marshal(w.events[1]["item"]); string(text) != `{"id":"own","object":"realtime.item","status":"completed","type":"message"}` {
		t.Errorf("%s", text)
	}
}

// TestWhatIsRepeatedIsBounded sends long values that would come back, or stay.
func TestWhatIsRepeatedIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 513)
	for _, c := range []struct{ message, param string }{
		{`{"type":"nonsense","event_id":"` + long + `"}`, "type"},
		{`{"type":"input_audio_buffer.append","audio":"!","event_id":"` + long + `"}`, "audio"},
		{`{"type":"conversation.item.create","item":{"type":"message","id":"` + long + `"}}`, "item.id"},
		{`{"type":"session.update","session":{"audio":{"input":{"transcription":{"prompt":"` + strings.Repeat("p", 16<<10) + `"}}}}}`, "session.audio.input.transcription"},
		{`{"type":"session.update","session":{"audio":{"input":{"transcription":{"keywords":[""` + strings.Repeat(`,""`, 1<<10) + `]}}}}}`, "session.audio.input.transcription"},
	} {
		w := quiet(t)
		w.say(c.message)
		w.want("error")
		if body, _ := w.events[0]["error"].(map[string]any); body["param"] != c.param || body["event_id"] != nil {
			t.Errorf("%.60s: %v", c.message, body)
		}
	}
	w := quiet(t)
	w.say(`{"type":"nonsense","event_id":"` + long[2:] + `"}`)
	if body, _ := w.events[0]["error"].(map[string]any); body["event_id"] != long[2:] {
		t.Error("an event_id of 512 characters is not repeated")
	}
}

// TestManyCommitsDoNotDrift commits stretches that are no whole frames at 16 kHz.
func TestManyCommitsDoNotDrift(t *testing.T) {
	t.Parallel()
	for _, samples := range []int{2401, 2402} {
		w := quiet(t)
		w.say(`{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":24000}}}}}`)
		for range 200 {
			w.say(`{"type":"input_audio_buffer.append","audio":"` + base64.StdEncoding.EncodeToString(make([]byte, 2*samples)) + `"}`)
			w.say(`{"type":"input_audio_buffer.commit"}`)
		}
		w.say(`{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcmu"}}}}}`)
		for _, e := range w.events {
			if e["type"] == "error" {
				t.Fatalf("%d samples: %v", samples, e)
			}
		}
	}
}
