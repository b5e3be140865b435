package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/layercake-app/layercake/internal/fault"
)

// maxInput is the size in bytes of a tool call's input.
const maxInput = 2 << 20

// schema is a tool input's JSON schema, as text for the model and compiled for
// the check. Both come from the Go type, so that they cannot disagree with it.
type schema struct {
	text     json.RawMessage
	compiled *validator.Schema
}

// schemaOf derives the schema of T, which is fixed when the program is built.
func schemaOf[T any]() schema {
	reflector := jsonschema.Reflector{Anonymous: true, DoNotReference: true, ExpandedStruct: true}
	derived := reflector.Reflect(new(T))
	derived.Version = ""
	text, err := json.Marshal(derived)
	if err != nil {
		panic(fmt.Sprintf("agent: schema of %T: %v", *new(T), err))
	}
	document, err := validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(fmt.Sprintf("agent: schema of %T: %v", *new(T), err))
	}
	compiler := validator.NewCompiler()
	if err := compiler.AddResource("input.json", document); err != nil {
		panic(fmt.Sprintf("agent: schema of %T: %v", *new(T), err))
	}
	return schema{text: text, compiled: compiler.MustCompile("input.json")}
}

// decode checks input against the schema and fills in into. The fault names
// every problem at once, with the field it is in.
func (s schema) decode(name string, input json.RawMessage, into any) error {
	if len(input) > maxInput {
		return fault.TooLarge("agent.input", "The input of %s has %d bytes, more than %d. Send it in smaller parts.", name, len(input), maxInput)
	}
	value, err := validator.UnmarshalJSON(bytes.NewReader(input))
	if err != nil {
		return fault.Invalid("agent.input",
			"The input of %s is not one JSON object (%v). It may have been cut off: send it again, in smaller parts if it was long. Its schema is %s", name, err, s.text)
	}
	if err := s.compiled.Validate(value); err != nil {
		var invalid *validator.ValidationError
		if !errors.As(err, &invalid) {
			return fmt.Errorf("validate input of %s: %w", name, err)
		}
		return fault.Invalid("agent.input", "The input of %s is not what it takes:", name).WithDetails(problems(invalid)...)
	}
	if err := json.Unmarshal(input, into); err != nil {
		return fault.Invalid("agent.input", "The input of %s cannot be read: %v.", name, err)
	}
	return nil
}

// problems lists the leaves of a validation error.
func problems(e *validator.ValidationError) []fault.Detail {
	if len(e.Causes) > 0 {
		var out []fault.Detail
		for _, cause := range e.Causes {
			out = append(out, problems(cause)...)
		}
		return out
	}
	text := e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	// What the model sent comes back to it and into the journal: bounded.
	d := fault.Detail{Field: strings.Join(e.InstanceLocation, "."), Message: cutEnd(text, maxLine) + "."}
	if _, unknown := e.ErrorKind.(*kind.AdditionalProperties); unknown {
		d.Next = "Leave them out."
	}
	return []fault.Detail{d}
}
