package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTranscribeTellsWhenWordsWereSaid(t *testing.T) {
	t.Parallel()
	needModel(t)
	got := scoutRun(t, nil, "transcribe", "--format", "json", "--hot-words", "Zigbee,Merneptah", clip)
	var doc struct {
		Text     string
		Segments []struct {
			Start, End float64
			Words      []struct {
				Word                string
				Start, End, LogProb *float64
				Placed              *bool
			}
		}
	}
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil || got.code != 0 {
		t.Fatalf("exit %d, %v: %s", got.code, err, got.err)
	}
	if !said(doc.Text, 1) {
		t.Errorf("heard %q", doc.Text)
	}
	words, before := 0, 0.0
	for _, s := range doc.Segments {
		for _, w := range s.Words {
			words++
			if w.Start == nil || w.End == nil || w.LogProb == nil || w.Placed != nil {
				t.Fatalf("%q: %+v", w.Word, w)
			}
			if *w.Start < before || *w.End <= *w.Start || *w.Start < s.Start || *w.End > s.End {
				t.Errorf("%q from %v to %v in %v to %v, the word before ends at %v", w.Word, *w.Start, *w.End, s.Start, s.End, before)
			}
			before = *w.End
		}
	}
	if words != 22 {
		t.Errorf("%d words", words)
	}
	// The speaker begins after a quarter of a second and ends before the clip does: so does the first cue, and the last.
	srt := scoutRun(t, nil, "transcribe", "--format", "srt", clip)
	if strings.Contains(srt.out, "00:00:00,000") || strings.Contains(srt.out, "00:00:11,000") || strings.Count(srt.out, "-->") < 2 {
		t.Errorf("cues\n%s", srt.out)
	}
}

func TestHotWordsAreRefusedWhereTheyHaveNoEffect(t *testing.T) {
	t.Parallel()
	needModel(t)
	got := scoutRun(t, nil, "transcribe", "--backend", "sherpa", "--hot-words", "Zigbee", clip)
	if got.code != 1 || !strings.Contains(got.err, "hot words") || got.out != "" {
		t.Errorf("exit %d, %q, %s", got.code, got.out, got.err)
	}
	if got := scoutRun(t, nil, "transcribe", "--hot-words", ",", clip); got.code != 2 {
		t.Errorf("no words: exit %d, %s", got.code, got.err)
	}
}
