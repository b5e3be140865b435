package app

import (
	"fmt"
	"reflect"
)

// fieldNames are the names of the settings' fields, in order.
func fieldNames() []string {
	t := reflect.TypeFor[Settings]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Name
	}
	return names
}

// fields calls fn with the variable, printable value and help of each setting.
func fields(s *Settings, fn func(name, value, help string)) {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Tag.Get("env") == "" {
			continue
		}
		fn(f.Tag.Get("env"), fmt.Sprint(v.Field(i).Interface()), f.Tag.Get("help"))
	}
}
