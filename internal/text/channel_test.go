package text_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text"
)

// call is a call of two people, who speak at once at the end, and a third channel.
func call() text.Document {
	said := func(channel string, start, end int, sentence string) scout.Segment {
		return scout.Segment{Start: ms(start), End: ms(end), Channel: channel, Text: sentence, Words: spread(sentence, start)}
	}
	return text.Document{File: "call.wav", Transcript: scout.Transcript{
		Model: "m", Duration: 20 * time.Second,
		Segments: []scout.Segment{
			said("left", 0, 1500, "Good morning."),
			said("left", 1600, 3000, "Who is there?"),
			said("right", 3500, 6500, "It is me, as you can hear by my voice."),
			said("left", 4800, 6000, "Oh, it is you."),
			said("3", 9000, 9900, "Hello."),
		},
	}}
}

func TestEachFormatNamesTheChannel(t *testing.T) {
	t.Parallel()
	for format, want := range map[text.Format][]string{
		text.Plain:    {"left: Good morning. Who is there?\nright: It is me, as you can hear by my voice.\nleft: Oh, it is you.\nchannel 3: Hello.\n"},
		text.TSV:      {"0\t1500\tleft: Good morning.\n", "3500\t6500\tright: It is me, as you", "channel 3: Hello."},
		text.Markdown: {"left: Good morning. Who is there?\n", "right: It is me, as", "channel 3: Hello."},
		text.SRT:      {"\nleft: Good morning.", "\nright: It is me,", "\nleft: Oh, it is you.\n", "\nchannel 3: Hello.\n"},
		text.VTT:      {"\nleft: Good morning.", "\nright: It is me,", "\nleft: Oh, it is you.\n", "\nchannel 3: Hello.\n"},
		text.JSON:     {`"channel": "left"`, `"channel": "right"`, `"channel": "3"`},
	} {
		var b bytes.Buffer
		if err := text.Write(&b, format, call()); err != nil {
			t.Fatal(err)
		}
		for _, part := range want {
			if !strings.Contains(b.String(), part) {
				t.Errorf("%s lacks %q:\n%s", format, part, b.String())
			}
		}
	}
}

// TestCuesOfChannelsKeepTheirTimes checks that a person who speaks at the same time as another is shown at that time,
// and that a label makes no cue wider.
func TestCuesOfChannelsKeepTheirTimes(t *testing.T) {
	t.Parallel()
	doc := call()
	long := strings.Repeat("many words of one person ", 8)
	doc.Transcript.Segments = append(doc.Transcript.Segments, scout.Segment{
		Start: ms(10000), End: ms(19000), Channel: "right", Text: long, Words: spread(long, 10000),
	})
	var b bytes.Buffer
	if err := text.Write(&b, text.SRT, doc); err != nil {
		t.Fatal(err)
	}
	got := cues(t, b.String())
	var last time.Duration
	overlap := false
	for i, c := range got {
		if c.start < last {
			t.Errorf("cue %d begins before the previous one", i+1)
		}
		overlap = overlap || i > 0 && c.start < got[i-1].end
		last = c.start
		for _, line := range c.lines {
			if len(line) > 42 {
				t.Errorf("%d columns: %s", len(line), line)
			}
		}
	}
	if !overlap {
		t.Error("no cues overlap, although two people speak at once")
	}
}
