@0xcc316e3f71a040fb;
# What mpipc's schemas need of libmultiprocess's file of this name: same ids, own words.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("mp");

annotation include(file) :Text;
# A C++ header that declares wrapped classes. May be given several times.

annotation includeTypes(file) :Text;
# A C++ header with conversions between C++ types and schema types. May be given several times.

annotation wrap(interface, struct) :Text;
# The C++ class or struct that stands behind a schema type.

annotation count(param, struct, interface) :Int32;
# How many C++ parameters make up one schema parameter; 0 for one that C++ callers do not pass. On
# a type: for every parameter of that type.

annotation exception(param) :Text;
# The result carries an exception of this C++ class: set when it was thrown, and thrown again by
# the caller's side.

annotation name(field, method) :Text;
# What a field or a method is called in C++, where that differs from its schema name.

annotation skip(field) :Void;
# The field has no counterpart in C++: as count(0).

interface ThreadMap $count(0) {
  # Lets the other side have threads on this side. Both sides hand theirs over in `construct`.

  makeThread @0 (name :Text) -> (result :Thread);
  # A new thread, which ends when its last reference goes.

  makePool @1 (count :UInt32) -> ();
  # Threads for calls whose context names none.
}

interface Thread {
  # A thread on the other side.

  getName @0 () -> (result :Text);
  # The name that it was made with.
}

struct Context $count(0) {
  # Which threads a call involves.

  thread @0 :Thread;
  # The thread of the callee's side that executes the call.

  callbackThread @1 :Thread;
  # The thread of the caller's side that waits for the answer, and meanwhile executes the calls
  # that come back.
}
