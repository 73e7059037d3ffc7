package api_test

import (
	"os"
	"testing"

	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { os.Exit(testrun.Contain(m).Run()) }
