package bench_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// votedOn is a clip of one piece: "we … home", where both is "ACCURATE/FAST", with the probabilities of both words and whether both models together are
// for the fast one's.
func votedOn(reference, both string, w, m float64, together bool) bench.VoteClip {
	accurate, fast, _ := strings.Cut(both, "/")
	words := func(word string, odds float64) []scout.Word {
		var list []scout.Word
		for i, text := range []string{"we", word, "home"} {
			start, p := time.Duration(i)*time.Second, -0.01
			if i == 1 {
				p = odds
			}
			end := start + time.Second
			list = append(list, scout.Word{Text: text, Start: &start, End: &end, LogProb: &p})
		}
		return list
	}
	b := vote.New(words(fast, m), words(accurate, w), false)
	for _, d := range b.Differences {
		d.Scores = &vote.Scores{Accurate: 1, Fast: 1}
		if together {
			d.Scores.Fast = -2
		}
	}
	heard := speech.Decoded{Heard: align.Heard{Words: words(accurate, w), To: 3 * time.Second}, Core: speech.Span{To: 3 * time.Second}}
	return bench.VoteClip{
		File: reference + accurate, Reference: reference, Seconds: 10, Pieces: []bench.VotePiece{{Decoded: heard, Ballot: b}},
		CPU: bench.VoteCPU{Accurate: 1, Fast: 0.2},
	}
}

func TestVotes(t *testing.T) {
	t.Parallel()
	clips := []bench.VoteClip{
		votedOn("we go home", "run/go", -2, -0.1, true),      // taken, better
		votedOn("we ran home", "ran/can", -2, -0.2, true),    // taken, worse
		votedOn("we sat home", "sad/sat", -1.8, -0.1, false), // it would be better
		votedOn("we lay home", "lay/say", -0.2, -0.5, true),  // the first key does not turn
		votedOn("we all home", "all/all", -1, -1, true),      // no difference
	}
	clips[1].Seconds = 40
	rule := vote.Rule{Slope: 0.8, Offset: 0.4}
	r := bench.Votes(clips, bench.NormaliserScout, &rule)
	short, long, all := r.Groups[0], r.Groups[1], r.Groups[2]
	if short.Files != 4 || long.Files != 1 || all.Words != 15 || all.Differences != 4 || all.Opened != 3 || all.Taken != 2 || all.Better != 1 || all.Worse != 1 || all.Cross != nil {
		t.Errorf("%+v", r.Groups)
	}
	near := func(got, errors, words float64) bool { return math.Abs(got-errors/words) < 1e-9 }
	if !near(short.Change.Before, 2, 12) || !near(short.Change.After, 1, 12) || !near(long.Change.After, 1, 3) || !near(all.Fast, 2, 15) || !near(all.Oracle, 0, 15) {
		t.Errorf("%+v", r.Groups)
	}
	if d := short.Change.Delta; !near(d.Value, -1, 12) || d.Low > d.Value || d.High < d.Value || !near(r.CPU.Accurate, 1, 16) {
		t.Errorf("%+v, %+v", d, r.CPU)
	}
	if len(r.Each) != 2 || r.Each[0] != (bench.VoteTaken{File: "we go homerun", Accurate: "run", Fast: "go", Gain: 1}) {
		t.Errorf("%+v", r.Each)
	}
	var table, json bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "m > 0.80 w + 0.40") {
		t.Errorf("%v: %s", err, table.String())
	}
	if err := r.WriteJSON(&json); err != nil || !strings.Contains(json.String(), `"wer_oracle"`) {
		t.Errorf("%v: %s", err, json.String())
	}
}

// The line that is learned lies between what was right and what was not; clips of the same words count once.
func TestLearnedRule(t *testing.T) {
	t.Parallel()
	var clips []bench.VoteClip
	for i := range 40 {
		word, w := "go"+string(rune('a'+i%26))+string(rune('a'+i/26)), -0.5-0.1*float64(i)
		clips = append(clips, votedOn("we "+word+" home", "xx/"+word, w, 0.8*w+0.6, true), votedOn("we "+word+"x home", word+"x/yy", w, 0.8*w+0.2, true))
	}
	r := bench.Votes(clips, bench.NormaliserScout, nil)
	if at := r.Learned.Slope*-2 + r.Learned.Offset; !(at > 0.8*-2+0.2 && at < 0.8*-2+0.6) || r.Used != r.Learned {
		t.Errorf("%+v", r.Learned)
	}
	if all := r.Groups[2]; all.Change.After > 0.1*all.Change.Before || all.Cross == nil || all.Cross.After > 0.2*all.Change.Before {
		t.Errorf("%+v, without the clip %+v", all, all.Cross)
	}
	again := bench.Votes(append(clips, clips[0], clips[0]), bench.NormaliserScout, nil)
	if math.Abs(again.Learned.Offset-r.Learned.Offset) > 1e-6 {
		t.Errorf("with a clip three times: %+v, once: %+v", again.Learned, r.Learned)
	}
	none := bench.Votes(clips[:1:1][:0], bench.NormaliserScout, nil)
	if none.Used.Opens(&vote.Difference{Fast: -0.001, Accurate: -10}) {
		t.Errorf("learned from nothing: %+v", none.Used)
	}
}
