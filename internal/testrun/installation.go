package testrun

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Spoken is what is said in the clip of an Installation.
const Spoken = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."

// Installation is what tests run as a user does: the built programs, with the models and a clip of the checkout.
type Installation struct {
	Programs string // the folder of the programs, which Remove removes
	Models   string
	Clip     string // testdata/jfk.wav
}

// DefaultModel is the model of an Installation, for files too: the accurate one takes four times as long, and most tests are about
// something else.
const DefaultModel = "moonshine-tiny-en"

// Install puts the programs of cmd that are named into a folder of their own. Settings in the environment of this process then
// name that folder and the models, and nothing of the user's. It is for the TestMain of a package in a folder of cmd.
func Install(programs ...string) (Installation, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return Installation{}, err
	}
	dir, err := os.MkdirTemp("", "scout-installed-")
	if err != nil {
		return Installation{}, err
	}
	i := Installation{
		Programs: dir, Clip: filepath.Join(root, "testdata", "jfk.wav"),
		Models: cmp.Or(os.Getenv("SCOUT_MODELS"), filepath.Join(root, "var", "models")),
	}
	if err := Programs(root, dir, programs...); err != nil {
		i.Remove()
		return i, err
	}
	for name, value := range map[string]string{
		"SCOUT_ENGINE": filepath.Join(dir, "scout-engine"), "SCOUT_MODELS": i.Models, "SCOUT_MODEL": "", "SCOUT_MODELS__ACCURATE": DefaultModel, "SCOUT_CONFIG": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			i.Remove()
			return i, err
		}
	}
	return i, nil
}

// Remove removes the programs.
func (i Installation) Remove() {
	if err := os.RemoveAll(i.Programs); err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
	}
}

// NeedModel skips a test where the default model is not installed.
func (i Installation) NeedModel(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(i.Models, DefaultModel, "model.json")); err != nil {
		t.Skip("the default model is not installed: run make setup")
	}
}
