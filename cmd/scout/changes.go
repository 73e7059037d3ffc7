package main

import (
	"encoding/json"
	"errors"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/recording"
)

// failure says in JSON why something failed; it is empty if nothing did.
type failure struct {
	Code  scout.Code `json:"code,omitempty"`
	Error string     `json:"error,omitempty"`
	Hint  string     `json:"hint,omitempty"`
}

func failureOf(err error) failure {
	return failure{scout.CodeOf(err), cli.OneLine(err), scout.HintOf(err)}
}

// problem says in JSON what a command could not do, or what is wrong with a file. It has the id of what the command was
// asked to change, or the path of the file.
type problem struct {
	ID   string `json:"id,omitempty"`
	Path string `json:"path,omitempty"`
	failure
}

// problemsOf joins what a repair and a listing complain about, each file once.
func problemsOf(lists ...[]recording.Problem) []problem {
	all, seen := []problem{}, map[string]bool{}
	for _, list := range lists {
		for _, p := range list {
			if seen[p.Path] {
				continue
			}
			seen[p.Path] = true
			all = append(all, problem{Path: p.Path, failure: failureOf(p.Err)})
		}
	}
	return all
}

// tellProblems writes them to standard error. It only mentions files that are not Scout's; anything that is wrong with a
// recording is a failure.
func (a *app) tellProblems(problems []problem) (failed error) {
	for _, p := range problems {
		if p.Code == scout.CodeRecordingForeign {
			a.Notef("scout: %s\n", p.Error)
			continue
		}
		err := scout.Errorf(p.Code, "%s", p.Error).WithHint("%s", p.Hint)
		a.Complain("", err)
		failed = cli.Reported(err)
	}
	return failed
}

// changes is the outcome of a command that changes several things: what it changed, under the name of what was done, and
// what it could not change. In JSON:
//
//	{"deleted": ["20261124T082146123Z-7f3a9c2e41d0"], "problems": []}
type changes struct {
	what     string // deleted, trashed, restored, …
	done     []any
	problems []problem
}

// MarshalJSON writes the form above.
func (c changes) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{c.what: c.done, "problems": c.problems})
}

// changeEach changes several things and prints a line for each, or one JSON value. A failure does not stop the others, nor does an
// output that takes no more lines.
//
//	what    what is done, as in changes
//	change  changes the thing with this name; it returns what JSON says about it and the line
func (a *app) changeEach(what string, names []string, asJSON bool, change func(name string) (any, string, error)) error {
	outcome := changes{what: what, done: []any{}, problems: []problem{}}
	var errs []error
	var unsaid error
	for _, name := range names {
		item, line, err := change(name)
		if err != nil {
			a.Complain(name, err)
			errs = append(errs, err)
			outcome.problems = append(outcome.problems, problem{ID: name, failure: failureOf(err)})
			continue
		}
		outcome.done = append(outcome.done, item)
		if !asJSON && unsaid == nil {
			unsaid = a.Say("%s", line)
		}
	}
	var failed error
	if len(errs) > 0 {
		failed = cli.Reported(errors.Join(errs...))
	}
	if asJSON {
		unsaid = cli.WriteJSON(a.Std.Out, outcome)
	}
	return a.unsaid(unsaid, failed)
}

// unsaid returns the error of a command that could not print all (err) and did not succeed in all (failed, which was told already).
// A failure counts for more than a pipe that nobody reads any more.
func (a *app) unsaid(err, failed error) error {
	if err == nil || failed == nil {
		return errors.Join(err, failed)
	}
	if !cli.BrokenPipe(err) {
		a.Complain("", err)
	}
	return failed
}
