%% @private
%% @doc Whether so few processes call that spinning pays: a lane or caller that polls for a moment keeps
%% its scheduler awake between the two halves of a round trip, but takes the processor from others that
%% have work. Pending calls and the size of batches do not tell: idle sockets have receives pending, and
%% spinning makes batches small.
-module(gosocket_quiet).

-export([new/0,
         flag/1,
         is_quiet/1,
         note/3]).

-export_type([quiet/0]).

%% The verdict is renewed after so many calls.
-define(TURN, 64).

%% Processes that call in one turn: up to the first the callers themselves may spin, up to the second
%% the lane.
-define(ALONE, 2).
-define(FEW, 16).

-record(quiet,
        {callers = #{} :: #{pid() => []},
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

%% @doc The verdict for the lane.
-spec is_quiet(quiet()) -> boolean().
is_quiet(#quiet{verdict = Verdict}) ->
    Verdict.

%% @doc The process makes the call of this number.
-spec note(pid(), non_neg_integer(), quiet()) -> quiet().
note(Pid, Number, Quiet) when Number rem ?TURN =:= 0 -> mark(Pid, judge(Quiet));
note(Pid, _Number, Quiet) -> mark(Pid, Quiet).

-spec mark(pid(), quiet()) -> quiet().
mark(Pid, #quiet{callers = Callers} = Quiet) when map_size(Callers) =< ?FEW, not is_map_key(Pid, Callers) ->
    Quiet#quiet{callers = Callers#{Pid => []}};
mark(_Pid, Quiet) ->
    Quiet.

-spec judge(quiet()) -> quiet().
judge(#quiet{callers = Callers, flag = Flag} = Quiet) ->
    %% the first call of all is no turn to judge by
    Count = map_size(Callers),
    atomics:put(Flag, 1, case Count of N when N > 0, N =< ?ALONE -> 1; _ -> 0 end),
    Quiet#quiet{callers = #{}, verdict = Count > 0 andalso Count =< ?FEW}.
