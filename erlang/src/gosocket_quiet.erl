%% @private
%% @doc Whether so few processes call that spinning pays: a lane that polls for a moment keeps its
%% scheduler awake between the two halves of a round trip, but takes the processor from callers that
%% have work. Pending calls and the size of batches do not tell: idle sockets have receives pending, and
%% spinning makes batches small.
-module(gosocket_quiet).

-export([new/0,
         flag/1,
         is_quiet/1,
         note/3]).

-export_type([quiet/0]).

%% Calls from at most two processes, in so many calls.
-define(TURN, 64).

-record(quiet,
        {first :: pid() | undefined,
         second :: pid() | undefined,
         crowded = false :: boolean(),
         verdict = false :: boolean(),
         flag = atomics:new(1, []) :: atomics:atomics_ref()}).

-opaque quiet() :: #quiet{}.

-spec new() -> quiet().
new() ->
    #quiet{}.

%% @doc The verdict for callers: word 1 is 1 or 0.
-spec flag(quiet()) -> atomics:atomics_ref().
flag(#quiet{flag = Flag}) ->
    Flag.

-spec is_quiet(quiet()) -> boolean().
is_quiet(#quiet{verdict = Verdict}) ->
    Verdict.

%% @doc The process makes the call of this number.
-spec note(pid(), non_neg_integer(), quiet()) -> quiet().
note(Pid, Number, Quiet) when Number rem ?TURN =:= 0 -> mark(Pid, judge(Quiet));
note(Pid, _Number, Quiet) -> mark(Pid, Quiet).

-spec mark(pid(), quiet()) -> quiet().
mark(_, #quiet{crowded = true} = Quiet) -> Quiet;
mark(Pid, #quiet{first = Pid} = Quiet) -> Quiet;
mark(Pid, #quiet{second = Pid} = Quiet) -> Quiet;
mark(Pid, #quiet{first = undefined} = Quiet) -> Quiet#quiet{first = Pid};
mark(Pid, #quiet{second = undefined} = Quiet) -> Quiet#quiet{second = Pid};
mark(_, Quiet) -> Quiet#quiet{crowded = true}.

-spec judge(quiet()) -> quiet().
judge(#quiet{crowded = Crowded, first = First, flag = Flag} = Quiet) ->
    %% the first call of all is no turn to judge by
    Verdict = not Crowded andalso First =/= undefined,
    Verdict =:= Quiet#quiet.verdict orelse atomics:put(Flag, 1, case Verdict of true -> 1; false -> 0 end),
    Quiet#quiet{first = undefined, second = undefined, crowded = false, verdict = Verdict}.
