package rig

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
)

// HotWordsRun is the result with one list of hot words.
type HotWordsRun struct {
	HotWords string `json:"hot_words"`
	// Phrases are those of the list of words that are said, whatever list was used.
	Phrases bench.Phrases `json:"phrases"`
	// Words and WER are for all words; Points is the change against the run without hot words, in percentage points.
	Words  bench.Edits `json:"words"`
	WER    float64     `json:"wer"`
	Points float64     `json:"points"`
	// Time is relative to the run without hot words.
	Time float64 `json:"time_ratio"`
}

// RunHotWords transcribes the clips of a folder without hot words, with those that are said in them, and with names
// that nobody says.
func (s *Subject) RunHotWords(ctx context.Context, dir string, entries []bench.Entry, said []string, progress func(text string)) ([]HotWordsRun, error) {
	var runs []HotWordsRun
	var first *bench.Report
	for _, list := range []struct {
		name  string
		words []string
	}{{"none", nil}, {fmt.Sprintf("%d that are said", len(said)), said}, {fmt.Sprintf("%d that are not", len(bench.Unsaid())), bench.Unsaid()}} {
		s.HotWords = list.words
		report, err := bench.Run(ctx, s, entries, bench.Options{Dir: dir, WarmUp: true, Progress: func(done, total int, file string) {
			progress(fmt.Sprintf("hot words: %s, %d of %d  %s", list.name, done, total, file))
		}})
		if err != nil {
			return nil, err
		}
		if report.Total.Failed > 0 || report.Total.WER == nil {
			return nil, scout.Errorf(scout.CodeReadFailed, "%d of %d clips could not be transcribed", report.Total.Failed, report.Total.Files)
		}
		if first == nil {
			first = report
		}
		runs = append(runs, HotWordsRun{
			HotWords: list.name, Phrases: report.CountPhrases(said), Words: report.Total.Words, WER: report.Total.WER.Value,
			Points: 100 * (report.Total.WER.Value - first.Total.WER.Value), Time: report.Total.RTF / first.Total.RTF,
		})
	}
	return runs, nil
}

// WriteHotWords writes the runs for people.
func WriteHotWords(out io.Writer, runs []HotWordsRun) error {
	var lines strings.Builder
	lines.WriteString("hot words\tphrases said\tof them wrong\tWER\tchange\ttime\n")
	for _, r := range runs {
		fmt.Fprintf(&lines, "%s\t%d\t%d\t%.2f %%\t%+.2f points\t%.2f\n", r.HotWords, r.Phrases.Said, r.Phrases.Wrong, 100*r.WER, r.Points, r.Time)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(table, lines.String())
	if err == nil {
		err = table.Flush()
	}
	return scout.FileError(scout.CodeWriteFailed, "write results", err)
}
