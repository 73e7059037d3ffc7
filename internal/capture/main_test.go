package capture_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	suite := testrun.Contain(m)
	testrun.Beside(6)
	goleak.VerifyTestMain(suite)
}
