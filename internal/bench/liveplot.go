package bench

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

//go:embed liveplot.html
var livePage string

// The drawing is so many units wide; a group or a list of times has a row.
const (
	plotWidth = 900.0
	plotRow   = 34.0
	plotLeft  = 220.0
)

// plotDot is one dictation or word.
type plotDot struct {
	X, Y  float64
	Class string
	Title string
}

// plotLine is one row.
type plotLine struct {
	Name string
	Y    float64
	Dots []plotDot
}

// plotTick is a place on the axis.
type plotTick struct {
	X    float64
	Text string
}

// plotChart is a drawing with an axis in milliseconds.
type plotChart struct {
	Title         string
	Width, Height float64
	Bound         float64 // where the bound is drawn, 0 for none
	Lines         []plotLine
	Ticks         []plotTick
}

// WritePlot writes a page with every dictation: its stop to text, its first partial text and its commits.
func (r *LiveReport) WritePlot(w io.Writer) error {
	page, err := template.New("plot").Parse(livePage)
	if err != nil {
		return fmt.Errorf("parse the page: %w", err)
	}
	var stops, firsts, commits []plotLine
	for _, g := range r.Groups {
		takes := r.of(func(group string) bool { return group == g.Name })
		stop, first, commit := plotLine{Name: g.Name}, plotLine{Name: g.Name}, plotLine{Name: g.Name}
		for _, t := range takes {
			stop.Dots = append(stop.Dots, dotOf(t.StopToText, t.Moment))
			if t.FirstPartial >= 0 {
				first.Dots = append(first.Dots, dotOf(t.FirstPartial, t.Moment))
			}
			for _, d := range t.Commit {
				commit.Dots = append(commit.Dots, dotOf(d, ""))
			}
		}
		stops, firsts, commits = append(stops, stop), append(firsts, first), append(commits, commit)
	}
	moments, _ := StopMoments()
	err = page.Execute(w, map[string]any{
		"Report": r, "Moments": moments,
		"Charts": []plotChart{
			chartOf("Stop to text", stops, 150), chartOf("First partial text after the first word", firsts, 700), chartOf("Commit after the end of a word", commits, 4000),
		},
	})
	return scout.FileError(scout.CodeWriteFailed, "write plot", err)
}

// dotOf is a time, whose place is filled in by chartOf: X is in milliseconds until then.
func dotOf(d time.Duration, moment StopMoment) plotDot {
	ms := d.Seconds() * 1000
	title := fmt.Sprintf("%.0f ms", ms)
	if moment != "" {
		title += ", " + strings.ReplaceAll(string(moment), "_", " ")
	}
	return plotDot{X: ms, Class: string(moment), Title: title}
}

// chartOf places the dots of lines on an axis from 0 to the largest of them and the bound.
func chartOf(title string, lines []plotLine, bound float64) plotChart {
	lines = slices.DeleteFunc(lines, func(l plotLine) bool { return len(l.Dots) == 0 })
	most := bound
	for _, l := range lines {
		for _, d := range l.Dots {
			most = max(most, d.X)
		}
	}
	most *= 1.05
	place := func(ms float64) float64 { return plotLeft + ms/most*(plotWidth-plotLeft) }
	for i := range lines {
		l := &lines[i]
		l.Y = plotRow * (float64(i) + 0.5)
		for k := range l.Dots {
			d := &l.Dots[k]
			const lanes, apart = 7, 3.0 // so that equal times can be told apart
			d.X, d.Y = place(d.X), l.Y+apart*float64(k%lanes-lanes/2)
		}
	}
	c := plotChart{Title: title, Width: plotWidth + 40, Height: plotRow*float64(len(lines)) + 30, Bound: place(bound), Lines: lines}
	const ticks = 6
	for i := range ticks + 1 {
		ms := most * float64(i) / ticks
		c.Ticks = append(c.Ticks, plotTick{place(ms), fmt.Sprintf("%.0f ms", ms)})
	}
	return c
}

// WriteChange compares the figures with those of an earlier report.
func (r *LiveReport) WriteChange(w io.Writer, before *LiveReport) error {
	t := newTable(w)
	t.line("against %s, %s, clock: %s, sound: %s", before.Started.Format(time.DateTime), before.Setup.CPU, before.Clock, before.Device)
	t.line("figure\tbefore\tnow\tchange\t")
	for _, f := range r.Figures {
		i := slices.IndexFunc(before.Figures, func(b Figure) bool { return b.ID == f.ID })
		if i < 0 {
			t.line("%s\t-\t%s\t\t", f.Name, f.number(f.Value))
			continue
		}
		b := before.Figures[i].Value
		change := fmt.Sprintf("%+.2f", f.Value-b)
		if b != 0 && f.Unit != UnitPoints {
			change = fmt.Sprintf("%+.0f %%", 100*(f.Value/b-1))
		}
		t.line("%s\t%s\t%s\t%s\t", f.Name, f.number(b), f.number(f.Value), change)
	}
	return t.close("write comparison")
}
