package speech

import (
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Limits for warnings. None of them decides what is decoded: everything is.
const (
	// silence is the level in dBFS below which audio is called silent.
	silence = -75.0
	// soft is the level of the loudest part in dBFS below which speech is likely to be lost because it is so soft.
	soft = -50.0
	// noText is how long a stretch without words must be for a warning, and withoutText how far below the loudest part
	// in dB it may lie.
	noText = 10 * time.Second
	// noTextUntold replaces noText for a model that does not report how sure it is.
	noTextUntold = 3 * time.Second
	withoutText  = 25.0
)

// warnings lists what is out of the ordinary in a transcription that reached the end of the audio.
func warnings(c *Checkpoint, length time.Duration) []scout.Warning {
	if len(c.Segments) == 0 && len(c.SetAside) == 0 {
		return []scout.Warning{nothingSaid(c.Peak, length)}
	}
	var list []scout.Warning
	for _, e := range c.Empty {
		least := noText
		if e.Least == 0 {
			least = noTextUntold
		}
		if e.To-e.From < least || e.Peak < max(soft, c.Peak-withoutText) {
			continue
		}
		from, to := e.From, e.To
		list = append(list, scout.Warning{
			Code: scout.WarningNoText, Start: &from, End: &to,
			Message: fmt.Sprintf("no words were found from %s to %s, which is not silent: %s", clock(from), clock(to), loudest(e.Peak)),
		})
	}
	return list
}

func nothingSaid(peak float64, length time.Duration) scout.Warning {
	from := time.Duration(0)
	w := scout.Warning{Code: scout.WarningNothingSaid, Start: &from, End: &length}
	switch {
	case peak <= segment.LevelFloor:
		w.Code, w.Message = scout.WarningSilence, fmt.Sprintf("there is only silence in its %s", clock(length))
	case peak < silence:
		w.Code, w.Message = scout.WarningSilence, fmt.Sprintf("there is only silence, or speech too quiet to understand, in its %s: %s", clock(length), loudest(peak))
	case peak < soft:
		w.Message = fmt.Sprintf("no words were found in its %s, which are very quiet: %s; record it louder", clock(length), loudest(peak))
	default:
		w.Message = fmt.Sprintf("no words were found in its %s: %s", clock(length), loudest(peak))
	}
	return w
}

func loudest(peak float64) string { return fmt.Sprintf("the loudest part has %.0f dBFS", peak) }

// clock writes a time as people read it: 11.0 s, 3:05, 1:02:03.
func clock(d time.Duration) string {
	seconds := int(d.Round(time.Second).Seconds())
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}
