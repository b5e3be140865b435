package proof

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/layercake-app/layercake/internal/sandbox"
)

// Subject says what is checked: a commit of a project, for one gate of one
// change.
type Subject struct {
	Project string
	Change  string
	Gate    string
	Type    string
	Commit  string
	// Base is the commit that the change began from, "" when it is the first;
	// secret_scan reads the history after it.
	Base string
	// Tier is the coverage asked for, in percent; 0 asks for none.
	Tier int
	// Inputs are the path patterns that the proof depends on, as the blueprint
	// declares them; their digest becomes part of the result.
	Inputs []string
}

// Result is what a check found out. Log and Reports are final: without terminal
// sequences, cut to MaxLog and with secrets masked. The keys are those of the
// blobs that hold them.
type Result struct {
	Type    string
	Verdict Verdict
	Reason  string
	// Command is what was run, for people; the argv of the main step.
	Command string
	Commit  string
	// Inputs is the digest of the files that the proof depends on.
	Inputs    string
	Isolation sandbox.Isolation
	Figures   map[string]float64
	Log       []byte
	Reports   map[string][]byte
	Duration  time.Duration
	// Preliminary marks a run on a worktree: it helps an agent, and is never
	// evidence.
	Preliminary bool

	LogKey    string
	LogSHA256 string
	ReportKey string
}

// outcome is a check's conclusion.
type outcome struct {
	verdict Verdict
	reason  string
}

func pass(format string, args ...any) outcome { return outcome{Pass, fmt.Sprintf(format, args...)} }
func fail(format string, args ...any) outcome { return outcome{Fail, fmt.Sprintf(format, args...)} }
func blocked(format string, args ...any) outcome {
	return outcome{Blocked, fmt.Sprintf(format, args...)}
}

// packReports makes one blob of a check's reports: a JSON object of texts by
// name.
func packReports(reports map[string][]byte) ([]byte, error) {
	texts := map[string]string{}
	for name, data := range reports {
		texts[name] = string(data)
	}
	return json.Marshal(texts)
}

// Reports returns the reports in a blob that ReportKey names, by file name.
func Reports(data []byte) (map[string][]byte, error) {
	var texts map[string]string
	if err := json.Unmarshal(data, &texts); err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	out := map[string][]byte{}
	for name, text := range texts {
		out[name] = []byte(text)
	}
	return out, nil
}
