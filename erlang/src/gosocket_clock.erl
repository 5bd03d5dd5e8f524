%% @private
%% @doc The clock that deadlines go by. A call carries the moment when its time is up, so that the time it spends
%% in queues counts. That takes a clock which caller and helper both read: os:perf_counter/1 is the helper's
%% CLOCK_MONOTONIC in common builds of the VM, but in some it is another clock, even wall clock, which may be
%% stepped; and the helper may run where the monotonic clock has an offset (time_namespaces(7)). So the two are
%% compared: when the helper starts, and each time that it is asked whether it is alive. A lane whose helper has
%% another clock, whatever the difference, gets the milliseconds that are left instead.
-module(gosocket_clock).

-export([expected/1,
         question/1,
         answered/3,
         for_lane/3,
         departing/1,
         leaving/1]).

-include("gosocket.hrl").

%% What the helper's reading of the same clock may be outside of the two of ours around it.
-define(TOLERANCE, 100000).

%% What the word of the lane says.
-define(SHARED, 0).
-define(APART, 1).

%% A deadline is nanoseconds in 64 bits; who waits longer than a hundred years waits for ever.
-define(LONGEST, (100 * 365 * 24 * 60 * 60 * 1000)).

-include("gosocket_reload.hrl").

%% This node's reading, the only one.
-spec nanoseconds() -> integer().
nanoseconds() ->
    os:perf_counter(nanosecond).

%% ---- Is it the helper's clock as well?

%% @doc Until they have been compared. A helper that does not tell its clock is not asked.
-spec expected(gosocket_helper:hello()) -> ?SHARED | ?APART.
expected(#{clock := _}) -> ?SHARED;
expected(_) -> ?APART.

%% @doc What the lane asks its helper, for any answer at all.
-spec question(Lane :: non_neg_integer()) -> {clock, integer()} | {ping, 0}.
question(Number) ->
    case clock(gosocket_door:known(Number)) of
        ?SHARED -> {clock, nanoseconds()};
        ?APART -> {ping, 0}
    end.

-spec clock(#gosocket_lane{}) -> ?SHARED | ?APART.
clock(#gosocket_lane{words = Words}) ->
    atomics:get(Words, ?APART_WORD).

%% @doc The helper read its clock between our reading then and one now. Clocks may go at another rate, or be
%% stepped: once two have parted they are not trusted again.
-spec answered(Lane :: non_neg_integer(), Before :: integer(), Reading :: integer()) -> ok.
answered(Number, Before, Reading) ->
    compared(Number, Before, Reading, nanoseconds()).

-spec compared(non_neg_integer(), integer(), integer(), integer()) -> ok.
compared(_Number, Before, Reading, After) when Before - ?TOLERANCE =< Reading, Reading =< After + ?TOLERANCE ->
    ok;
compared(Number, Before, Reading, After) ->
    logger:notice("gosocket: os:perf_counter/1 (~w to ~w) is not the clock of the helper (~w): time-outs are relative",
                  [Before, After, Reading]),
    #gosocket_lane{words = Words} = gosocket_door:known(Number),
    atomics:put(Words, ?APART_WORD, ?APART).

%% ---- Deadlines of calls

%% @doc The call as the lane's helper understands it. One that comes from another node says what is left.
-spec for_lane(#gosocket_lane{}, Socket :: non_neg_integer(), gosocket_wait:call()) -> tuple().
for_lane(Lane, S, {recv, _, Pid, Length, Flags, Timeout, Ref}) ->
    {recv, S, Pid, Length, Flags, until(Lane, Timeout), Ref};
for_lane(Lane, S, {recvfrom, _, Pid, Size, Flags, Timeout, Ref}) ->
    {recvfrom, S, Pid, Size, Flags, until(Lane, Timeout), Ref};
for_lane(Lane, S, {recvmsg, _, Pid, Size, CtrlSize, Flags, Timeout, Ref}) ->
    {recvmsg, S, Pid, Size, CtrlSize, Flags, until(Lane, Timeout), Ref};
for_lane(Lane, S, {send, _, Pid, Flags, Timeout, Ref, Size}) ->
    {send, S, Pid, Flags, until(Lane, Timeout), Ref, Size};
for_lane(Lane, S, {sendto, _, Pid, Dest, Flags, Timeout, Ref, Size}) ->
    {sendto, S, Pid, Dest, Flags, until(Lane, Timeout), Ref, Size};
for_lane(Lane, S, {sendmsg, Handle, Pid, Dest, Ctrl, Flags, Timeout, Ref, Size}) ->
    {sendmsg, S, Pid, Dest, gosocket_fd:control(Ctrl, Handle), Flags, until(Lane, Timeout), Ref, Size};
for_lane(Lane, S, {accept, _, Pid, Timeout, Ref}) ->
    {accept, S, Pid, until(Lane, Timeout), Ref};
for_lane(Lane, S, {connect, _, Pid, Dest, Timeout, Ref}) ->
    {connect, S, Pid, Dest, until(Lane, Timeout), Ref};
for_lane(_Lane, S, Call) ->
    setelement(2, Call, S).

-spec until(#gosocket_lane{}, timeout() | nowait | {in, Nanoseconds :: integer()}) ->
          infinity | nowait | Milliseconds :: non_neg_integer() | {at, Nanoseconds :: integer()}.
until(_Lane, Timeout) when is_atom(Timeout) -> Timeout;
until(_Lane, 0) -> 0;
until(_Lane, Timeout) when is_integer(Timeout), Timeout > ?LONGEST -> infinity;
until(Lane, Timeout) -> until_then(clock(Lane), Timeout).

-spec until_then(?SHARED | ?APART, pos_integer() | {in, Nanoseconds :: integer()}) ->
          Milliseconds :: non_neg_integer() | {at, Nanoseconds :: integer()}.
until_then(?SHARED, {in, Left}) -> {at, nanoseconds() + Left};
until_then(?SHARED, Timeout) -> {at, nanoseconds() + Timeout * 1000000};
%% no time-out ends early
until_then(?APART, {in, Left}) -> max(0, Left + 999999) div 1000000;
until_then(?APART, Timeout) -> Timeout.

%% @doc The call for another node, as it waits here to be sent. No helper of this node's has to do with it: the
%% VM's own clock, which is never stepped, tells how long it waits.
-spec departing(gosocket_wait:call()) -> tuple().
departing(Call) ->
    case timeout(Call) of
        {Place, Timeout} when is_integer(Timeout), Timeout > ?LONGEST ->
            setelement(Place, Call, infinity);
        {Place, Timeout} when is_integer(Timeout), Timeout > 0 ->
            setelement(Place, Call, {until, erlang:monotonic_time(nanosecond) + Timeout * 1000000});
        _ ->
            Call
    end.

%% @doc The call on its way, with the nanoseconds that are left.
-spec leaving(tuple()) -> tuple().
leaving(Call) ->
    case timeout(Call) of
        {Place, {until, Deadline}} -> setelement(Place, Call, {in, Deadline - erlang:monotonic_time(nanosecond)});
        _ -> Call
    end.

-spec timeout(gosocket_wait:call()) -> {Place :: pos_integer(), term()} | none.
timeout({accept, _, _, Timeout, _}) -> {4, Timeout};
timeout({connect, _, _, _, Timeout, _}) -> {5, Timeout};
timeout({recv, _, _, _, _, Timeout, _}) -> {6, Timeout};
timeout({recvfrom, _, _, _, _, Timeout, _}) -> {6, Timeout};
timeout({recvmsg, _, _, _, _, _, Timeout, _}) -> {7, Timeout};
timeout({send, _, _, _, Timeout, _, _}) -> {5, Timeout};
timeout({sendto, _, _, _, _, Timeout, _, _}) -> {6, Timeout};
timeout({sendmsg, _, _, _, _, _, Timeout, _, _}) -> {7, Timeout};
timeout(_) -> none.
