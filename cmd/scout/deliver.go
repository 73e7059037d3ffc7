package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/insert"
)

// delivery says where a text goes besides standard output.
type delivery struct {
	copy, into bool
}

func (d *delivery) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.copy, "copy", false, "put the text on the clipboard (wl-copy, xclip or pbcopy)")
	cmd.Flags().BoolVar(&d.into, "type", false, "put the text into the window that has the focus (X11)")
}

// taken is what became of a text.
type taken struct {
	report v1.Inserted
	err    error
}

// take takes a text to the clipboard or into a window, and says what is not as it should be.
func (a *app) take(ctx context.Context, text string, to delivery) taken {
	switch {
	case text == "":
		return taken{report: v1.Inserted{Method: "none"}}
	case to.into:
		r, err := a.insertThrough(ctx, text)
		if err == nil {
			err = r.Err()
		}
		out := taken{report: v1.Inserted{Method: string(r.Method), Proved: r.Proved, Code: r.Code}, err: err}
		if out.report.Method == "" {
			out.report.Method, out.report.Code = "none", scout.CodeOf(err)
		}
		switch {
		case err != nil:
		case r.Method == insert.MethodType && r.Clipboard == insert.ClipboardKept:
			a.Notef("typed: the clipboard could not be used (%s)\n", r.Reason)
		case !r.Proved:
			a.Notef("typed, because %s; whether it arrived is not known, so the text is also on the clipboard\n", r.Reason)
		}
		return out
	case to.copy:
		if _, err := insert.Copy(ctx, text); err != nil {
			return taken{v1.Inserted{Method: "none", Code: scout.CodeOf(err)}, err}
		}
		return taken{report: v1.Inserted{Method: "copy"}}
	}
	return taken{}
}

// insertWithin bounds an insertion: reading the clipboard, waiting for keys, typing a thousand characters.
const insertWithin = 2 * time.Minute

// insertThrough inserts a text by a process of its own, which stays behind to serve the clipboard.
func (a *app) insertThrough(ctx context.Context, text string) (r insert.Result, err error) {
	if os.Getenv("DISPLAY") == "" {
		return r, scout.Errorf(scout.CodeNoDisplay, "there is no X server to insert text through: DISPLAY is not set")
	}
	program, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find this program: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, insertWithin)
	defer cancel()
	cmd := exec.Command(program, insertCommand)
	cmd.Stdin = strings.NewReader(text)
	cmd.Stderr = nil // it stays behind: it must not keep the caller's files
	out, err := cmd.StdoutPipe()
	if err != nil {
		return r, fmt.Errorf("insert text: %w", err)
	}
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return r, fmt.Errorf("insert text: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	_ = out.Close() // the one line was read
	if err != nil {
		_ = cmd.Wait() // its output has ended
		return r, scout.Errorf(scout.CodeNotInserted, "the text could not be inserted: %w", err)
	}
	var answer insertAnswer
	if err := json.Unmarshal(line, &answer); err != nil {
		return r, fmt.Errorf("insert text: %w", err)
	}
	return answer.Result, answer.Problem.Err()
}

// insertCommand is a command for Scout itself: it inserts what it reads, says in one line how that went, and serves the clipboard
// until another program has it.
const insertCommand = "insert-text"

type insertAnswer struct {
	insert.Result
	Problem *event.Problem `json:"problem,omitempty"`
}

// maxInserted bounds a text.
const maxInserted = 16 << 20

func newInsertCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: insertCommand, Short: "Insert standard input into the focused window", Hidden: true, Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := io.ReadAll(io.LimitReader(a.Std.In, maxInserted))
			if err != nil {
				return fmt.Errorf("read text: %w", err)
			}
			s, err := insert.Open(a.Scope, os.Getenv("DISPLAY"))
			if err != nil {
				return json.NewEncoder(a.Std.Out).Encode(insertAnswer{Problem: event.ProblemOf(err)})
			}
			defer s.Close()
			result := s.Type(cmd.Context(), string(text))
			if err := json.NewEncoder(a.Std.Out).Encode(insertAnswer{Result: result}); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
			if out, ok := a.Std.Out.(*os.File); ok {
				_ = out.Close() // nobody waits for more
			}
			s.Hold(cmd.Context())
			return nil
		},
	}
}
