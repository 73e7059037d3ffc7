package capture_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	testrun.Beside(6)
	goleak.VerifyTestMain(m)
}
