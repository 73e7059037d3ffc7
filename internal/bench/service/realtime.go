package service

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/resilience"
)

// Realtime is what realtime sessions did.
type Realtime struct {
	// Alone has one session for each delay, with nothing beside it but the others if they were measured at once.
	Alone []RealtimeAlone `json:"alone"`
	// Together has several at once, while a recording goes on.
	Together *RealtimeTogether `json:"together,omitempty"`
}

// RealtimeAlone is one session.
type RealtimeAlone struct {
	Delay string `json:"delay"`
	// Turns is how items end: commit, server_vad or semantic_vad.
	Turns string `json:"turns"`
	// Within is the age at which the delay has words sent, 0 for none. InTime is how many came by then.
	Within time.Duration `json:"within_ns,omitempty"`
	InTime int           `json:"in_time"`
	// Age is how long after its end had been sent a word came as a delta, Early that of words that came before the end of their item.
	Age   bench.Spread `json:"age"`
	Early bench.Spread `json:"early"`
	// Completed is the time from the end of an item to its text.
	Completed bench.Spread `json:"completed"`
	// Known is how many words with a time a single pass finds in the clips. Those of them that came as deltas have an age.
	Known int `json:"known"`
	// Live are the errors of the text, File those of the same clips as files. WER is their share of the words of the references.
	Live    bench.Edits `json:"live"`
	File    bench.Edits `json:"file"`
	WER     float64     `json:"wer"`
	FileWER float64     `json:"file_wer"`
	// Items are those whose ends the server found. ItemWER is the share of errors where each of them is decoded as a file: what the cuts
	// cost by themselves.
	Items   []RealtimeItem `json:"items,omitempty"`
	ItemWER float64        `json:"item_wer,omitempty"`

	reference []string
}

// RealtimeItem is an item: the sound from the end of the one before it, and its text.
type RealtimeItem struct {
	From time.Duration `json:"from_ns"`
	To   time.Duration `json:"to_ns"`
	Text string        `json:"text"`
}

// RealtimeClip is something that is said, and what is known of it.
type RealtimeClip struct {
	Samples []float32
	// Reference is what is said, Text what a single pass hears, and Words are the words of that, with times from the beginning of the clip.
	Reference, Text string
	Words           []scout.Word
}

// RealtimeTogether are sessions at once.
type RealtimeTogether struct {
	Sessions int `json:"sessions"`
	// Refused were answered with 429.
	Refused int `json:"refused"`
	// Completed is the time from the end of an item to its text. Behind is how long after the end of the sound the last text came.
	Completed bench.Spread `json:"completed"`
	Behind    bench.Spread `json:"behind"`
	// Recording is what was recorded meanwhile.
	Recording bench.ServiceWhole `json:"recording"`
}

// TurnsByCommit says that the client ends an item with each clip.
const TurnsByCommit = "commit"

// RealtimeOptions say what is measured. Speech is made of the clips.
type RealtimeOptions struct {
	Options
	// Clips are said one after the other.
	Clips []RealtimeClip
	// Delays are measured one after the other, or AtOnce, with items that end as Turns says. Sessions are how many there are at once
	// afterwards, which have turns found by the server; 0 for none.
	Delays   []string
	AtOnce   bool
	Turns    string
	Sessions int
}

// frameEvery is how much sound is in one message of a session.
const frameEvery = 100 * time.Millisecond

// MeasureRealtime sends Speech at the rate of speech.
func MeasureRealtime(ctx context.Context, o RealtimeOptions) (found Realtime, err error) {
	o.Speech = nil
	for i := range o.Clips {
		o.Speech = append(o.Speech, o.Clips[i].Samples...)
	}
	err = in(ctx, o.Options, func(h *house) error {
		found.Alone = make([]RealtimeAlone, len(o.Delays))
		group, running := errgroup.WithContext(ctx)
		if !o.AtOnce {
			group.SetLimit(1)
		}
		for i, delay := range o.Delays {
			group.Go(func() error {
				h.tell("realtime: delay %s", delay)
				s := &realtimeSpeaker{house: h, o: &o, delay: delay, turns: o.Turns}
				err := s.run(running)
				found.Alone[i] = s.heard.measure(o.Clips, RealtimeAlone{Delay: delay, Turns: o.Turns, Within: realtime.Delay(delay), Completed: bench.SpreadOf(s.completed)})
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if o.Sessions == 0 {
			return nil
		}
		h.tell("realtime: %d sessions at once", o.Sessions)
		together, err := h.together(ctx, &o)
		found.Together = together
		return err
	}, "SCOUT_LIMITS__LIVE_SESSIONS=128")
	return found, err
}

// together runs sessions at once while a recording goes on.
func (h *house) together(ctx context.Context, o *RealtimeOptions) (*RealtimeTogether, error) {
	tape, err := h.newTape(time.Duration(len(o.Speech))*time.Second/rate + time.Minute)
	if err != nil {
		return nil, err
	}
	rolls, err := h.record(ctx, tape)
	if err != nil {
		return nil, err
	}
	speakers := make([]*realtimeSpeaker, o.Sessions)
	group, running := errgroup.WithContext(ctx)
	for i := range speakers {
		speakers[i] = &realtimeSpeaker{house: h, o: o, delay: "medium", turns: "server_vad", from: i * len(o.Speech) / len(speakers)}
		group.Go(func() error { return speakers[i].run(running) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found := &RealtimeTogether{Sessions: o.Sessions}
	var completed, behind []time.Duration
	for _, s := range speakers {
		completed = append(completed, s.completed...)
		if s.refused {
			found.Refused++
			continue
		}
		behind = append(behind, s.behind)
	}
	found.Completed, found.Behind = bench.SpreadOf(completed), bench.SpreadOf(behind)
	found.Recording, err = h.end(ctx, rolls)
	return found, err
}

// realtimeSpeaker is a client of one session.
type realtimeSpeaker struct {
	*house
	o     *RealtimeOptions
	delay string
	turns string
	from  int // sample with which it begins

	conn      *websocket.Conn
	began     time.Time // of the sound
	heard     heardItems
	ended     map[string]time.Time
	completed []time.Duration
	behind    time.Duration
	refused   bool
	open      int
}

// realtimeEvent is what the daemon sends, as far as it is looked at.
type realtimeEvent struct {
	Type       string `json:"type"`
	Item       string `json:"item_id"`
	Delta      string `json:"delta"`
	EndMS      int64  `json:"audio_end_ms"`
	Transcript string `json:"transcript"`
	Error      *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// run sends all of the speech and waits for its text.
func (s *realtimeSpeaker) run(ctx context.Context) error {
	conn, response, err := websocket.Dial(ctx, "ws://"+s.address()+"/v1/realtime?intent=transcription", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + s.owner.key}},
	})
	if response != nil && response.Body != nil {
		_ = response.Body.Close() // the connection has its own
	}
	if response != nil && response.StatusCode == http.StatusTooManyRequests {
		s.refused = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("open a session: %w", err)
	}
	defer func() { _ = conn.CloseNow() }() // it has ended, or the daemon has
	s.conn, s.ended = conn, make(map[string]time.Time)
	detection := fmt.Sprintf(`{"type":%q}`, s.turns)
	if s.turns == TurnsByCommit {
		detection = "null"
	}
	update := fmt.Sprintf(`{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":%d},"turn_detection":%s,"transcription":{"language":"en","delay":%q}}}}}`,
		rate, detection, s.delay)
	if err := conn.Write(ctx, websocket.MessageText, []byte(update)); err != nil {
		return fmt.Errorf("change a session: %w", err)
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return s.listen(running) })
	group.Go(func() error { return s.speak(running) })
	return group.Wait()
}

// speak sends the speech at its own rate, each part when it has been said, and ends the items that the server does not. Then it deletes an
// item that nobody knows: the answer to that is the last event.
func (s *realtimeSpeaker) speak(ctx context.Context) error {
	s.began = time.Now()
	step, at := int(frameEvery.Seconds()*rate), 0
	for i := range s.o.Clips {
		for end := at + len(s.o.Clips[i].Samples); at < end; {
			to := min(at+step, end)
			if err := resilience.Sleep(ctx, time.Until(s.began.Add(time.Duration(to)*time.Second/rate))); err != nil {
				return err
			}
			if err := s.send(ctx, at, to); err != nil {
				return fmt.Errorf("send sound: %w", err)
			}
			at = to
		}
		if s.turns == TurnsByCommit || i == len(s.o.Clips)-1 {
			if err := s.conn.Write(ctx, websocket.MessageText, []byte(`{"type":"input_audio_buffer.commit"}`)); err != nil {
				return fmt.Errorf("end an item: %w", err)
			}
		}
	}
	if err := s.conn.Write(ctx, websocket.MessageText, []byte(`{"type":"conversation.item.delete","item_id":"the end"}`)); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// send sends the speech from one sample to another.
func (s *realtimeSpeaker) send(ctx context.Context, from, to int) error {
	data := make([]byte, 0, 2*(to-from))
	for i := from; i < to; i++ {
		v := s.o.Speech[(s.from+i)%len(s.o.Speech)]
		data = binary.LittleEndian.AppendUint16(data, uint16(int16(max(-1, min(1, v))*32767)))
	}
	message, err := json.Marshal(map[string]string{"type": "input_audio_buffer.append", "audio": base64.StdEncoding.EncodeToString(data)})
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageText, message)
}

// listen takes the events until all items are text.
func (s *realtimeSpeaker) listen(ctx context.Context) error {
	over := false
	for !over || s.open > 0 {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("listen to a session: %w", err)
		}
		now := time.Now()
		var e realtimeEvent
		if err := json.Unmarshal(data, &e); err != nil {
			return fmt.Errorf("listen to a session: %w", err)
		}
		switch e.Type[strings.LastIndex(e.Type, ".")+1:] {
		case "committed":
			s.ended[e.Item] = now
			s.heard.committed(e.Item)
			s.open++
		case "speech_stopped":
			s.heard.stopped(e.Item, time.Duration(e.EndMS)*time.Millisecond)
		case "completed", "failed":
			s.open--
			if e.Error != nil {
				return errors.New("an item failed: " + e.Error.Message)
			}
			s.heard.completed(e.Item, e.Transcript)
			s.completed = append(s.completed, now.Sub(s.ended[e.Item]))
			s.behind = now.Sub(s.began) - time.Duration(len(s.o.Speech))*time.Second/rate
		case "delta":
			s.heard.delta(e.Item, e.Delta, now.Sub(s.began))
		case "error":
			if over = e.Error != nil && strings.Contains(e.Error.Message, "no such item"); !over {
				return errors.New("a session answered: " + string(data))
			}
		}
	}
	return nil
}
