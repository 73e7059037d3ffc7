package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/spelling"
)

// Misuse returns a usage error with a hint.
func Misuse(hint, format string, args ...any) error {
	return Usage(scout.Errorf(scout.CodeInvalidArgument, format, args...).WithHint("%s", hint))
}

// WrongArgs says in plain words what is wrong with the number of arguments.
func WrongArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case check(cmd, args) == nil:
			return nil
		case cmd.HasAvailableSubCommands() && len(args) > 0:
			return unknownCommand(cmd, args[0])
		case check(cmd, append(args, "x")) == nil || check(cmd, args[:0]) != nil && len(args) == 0:
			return Misuse("for example: "+firstExample(cmd), "an argument is missing: %s", usageLine(cmd))
		}
		return Misuse("see: "+cmd.CommandPath()+" --help", "unexpected argument %q: %s", args[len(args)-1], usageLine(cmd))
	}
}

// NeedArgs requires at least one argument, and says which.
func NeedArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Misuse("see: "+cmd.CommandPath()+" --help", "name %s", what)
		}
		return nil
	}
}

// JSONFlag adds --json to a command.
func JSONFlag(cmd *cobra.Command, to *bool) { cmd.Flags().BoolVar(to, "json", false, "print JSON") }

// usageLine returns how a command is called: scout models pull MODEL.
func usageLine(cmd *cobra.Command) string {
	line := cmd.Use
	if parent := cmd.Parent(); parent != nil {
		line = parent.CommandPath() + " " + line
	}
	return line
}

// firstExample returns the first line of a command's examples, or how it is called.
func firstExample(cmd *cobra.Command) string {
	line, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	if line == "" {
		return usageLine(cmd)
	}
	return line
}

// unknownCommand says that a command does not exist, and which one was probably meant.
func unknownCommand(parent *cobra.Command, name string) error {
	var names []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
			names = append(names, c.Aliases...)
		}
	}
	hint := "see: " + parent.CommandPath() + " --help"
	if meant := spelling.Closest(name, names); meant != "" {
		hint = fmt.Sprintf("did you mean: %s %s? All commands: %s --help", parent.CommandPath(), meant, parent.CommandPath())
	} else if info, err := os.Stat(name); err == nil && !info.IsDir() && !parent.HasParent() {
		hint = "to turn a file into text: scout transcribe " + name
	}
	return Misuse(hint, "unknown command %q", strings.TrimPrefix(parent.CommandPath()+" ", parent.Root().Name()+" ")+name)
}

// WrongFlag says in plain words what is wrong with a flag.
func WrongFlag(cmd *cobra.Command, err error) error {
	help := "see: " + cmd.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &missing):
		return Misuse(help, "%s needs a value: %s", flagName(missing.GetFlag()), missing.GetFlag().Usage)
	case errors.As(err, &invalid):
		return wrongValue(cmd, invalid)
	case errors.As(err, &syntax):
		return Misuse(help, "%q is not a flag", syntax.GetSpecifiedFlag())
	}
	return Usage(err)
}

func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError) error {
	help := "see: " + cmd.CommandPath() + " --help"
	given := "--" + e.GetSpecifiedName()
	if letters := e.GetSpecifiedShortnames(); letters != "" {
		given = "-" + letters
	}
	if strings.Contains(given, ".") || exists(given) {
		return Misuse(fmt.Sprintf("for a file whose name begins with a dash write ./%s", given), "unknown flag %s", given)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if meant := spelling.Closest(strings.TrimLeft(given, "-"), names); meant != "" && len(given) > 2 {
		help = fmt.Sprintf("did you mean --%s? All flags: %s --help", meant, cmd.CommandPath())
	}
	return Misuse(help, "unknown flag %s", given)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func flagName(f *pflag.Flag) string { return "--" + f.Name }

func wrongValue(cmd *cobra.Command, e *pflag.InvalidValueError) error {
	flag := e.GetFlag()
	hint := "see: " + cmd.CommandPath() + " --help"
	switch flag.Value.Type() {
	case "int", "int64", "uint", "uint64":
		return Misuse("write a whole number", "%s %q is not a number", flagName(flag), e.GetValue())
	case "float64", "float32":
		return Misuse("write a number", "%s %q is not a number", flagName(flag), e.GetValue())
	case "bool":
		return Misuse(fmt.Sprintf("write %s, or %s=false", flagName(flag), flagName(flag)), "%s %q is neither true nor false", flagName(flag), e.GetValue())
	case "duration":
		if strings.HasPrefix(fmt.Sprint(errors.Unwrap(e)), "time: ") {
			return Misuse(lengthExamples, "%s %q is not a length", flagName(flag), e.GetValue())
		}
	}
	return Misuse(hint, "%s %q: %v", flagName(flag), e.GetValue(), errors.Unwrap(e))
}
