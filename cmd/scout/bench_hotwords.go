package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
)

type benchHotWordsOptions struct {
	recognizerOptions
	json  bool
	words string
}

func newBenchHotWordsCommand(a *app) *cobra.Command {
	var o benchHotWordsOptions
	cmd := &cobra.Command{
		Use:   "hotwords DIR --words FILE",
		Short: "Measure what hot words gain, and what wrong ones cost",
		Long: `Transcribes the clips in DIR (a folder as for scout bench transcribe) three times: without hot words, with those in FILE, which should be said in
the clips, and with 100 names that nobody says. Prints how often the words in FILE were recognised wrongly, the word error rate, and the time taken.`,
		Example: `  scout bench hotwords speech/ --words testdata/hot-words.txt`,
		Args:    wrongArgs(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, args []string) error { return benchHotWords(cmd.Context(), a, o, args[0]) },
	}
	flags := cmd.Flags()
	o.bind(cmd)
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.words, "words", "", "hot words that are said: a file with one on each line, or a list a,b,c")
	return cmd
}

// hotWordsRun is the outcome with one list of hot words.
type hotWordsRun struct {
	HotWords string `json:"hot_words"`
	// Phrases are those of the list that is said, whatever list was used.
	Phrases bench.Phrases `json:"phrases"`
	// Words and WER are of everything; Points is the change against the run without hot words, in percentage
	// points.
	Words  bench.Edits `json:"words"`
	WER    float64     `json:"wer"`
	Points float64     `json:"points"`
	// Time is relative to the run without hot words.
	Time float64 `json:"time_ratio"`
}

func benchHotWords(ctx context.Context, a *app, o benchHotWordsOptions, dir string) error {
	said, err := readHotWords(o.words)
	if err != nil {
		return err
	}
	if len(said) == 0 {
		return usage(scout.Errorf(scout.CodeInvalidArgument, "no --words: which are said in %s?", dir))
	}
	entries, r, err := openBench(ctx, a, o.recognizerOptions, dir, said)
	if err != nil {
		return err
	}
	defer r.Close()
	clock := &clockedEngine{engine: r.Engine}
	var runs []hotWordsRun
	var first *bench.Report
	for _, list := range []struct {
		name  string
		words []string
	}{{"none", nil}, {fmt.Sprintf("%d that are said", len(said)), said}, {fmt.Sprintf("%d that are not", len(bench.Unsaid())), bench.Unsaid()}} {
		subject := &benchSubject{
			app: a, recognizer: r, engine: clock, cut: segment.Defaults(), hotWords: list.words, transcriber: speech.New(a.scope, a.failures, clock),
		}
		report, err := bench.Run(ctx, subject, entries, bench.Options{Dir: dir, WarmUp: true, Progress: func(done, total int, file string) {
			if terminal(a.std.err) {
				a.notef("\r\x1b[Khot words: %s, %d of %d  %s", list.name, done, total, file)
			}
		}})
		if err != nil {
			return err
		}
		if report.Total.Failed > 0 || report.Total.WER == nil {
			return scout.Errorf(scout.CodeReadFailed, "%d of %d clips could not be transcribed", report.Total.Failed, report.Total.Files)
		}
		if first == nil {
			first = report
		}
		runs = append(runs, hotWordsRun{
			HotWords: list.name, Phrases: report.CountPhrases(said), Words: report.Total.Words, WER: report.Total.WER.Value,
			Points: 100 * (report.Total.WER.Value - first.Total.WER.Value), Time: report.Total.RTF / first.Total.RTF,
		})
	}
	if terminal(a.std.err) {
		a.notef("\r\x1b[K")
	}
	return writeHotWords(a.std.out, runs, o.json)
}

func writeHotWords(out io.Writer, runs []hotWordsRun, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return scout.FileError(scout.CodeWriteFailed, "write results", encoder.Encode(runs))
	}
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
