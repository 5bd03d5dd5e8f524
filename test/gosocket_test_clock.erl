%% os:perf_counter/1 as other builds of the VM have it. The application reads it in one place, gosocket_clock: fake/1
%% loads that module with its own code, but with our perf_counter/1.
-module(gosocket_test_clock).

-include("gosocket_test.hrl").
-import(gosocket_test_lib, [start/1, result/1, wait_until/1]).
-import(gosocket_test_net, [bound/1, close/1]).

-export([kinds/0, fake/1, change/1, relation/0, timed/2]).
%% What the suite runs in fresh nodes.
-export([timeouts_with/1, timeouts_while_wall_time_steps/0, parts_later/1]).
%% In the place of os:perf_counter/1.
-export([perf_counter/1]).

-define(TIMEOUT, 60).
-define(HOUR, 3600000000000).
-define(MINUTE, 60000000000).

-type kind() :: same
              | {offset, Nanoseconds :: integer()}
              | {rate, Percent :: pos_integer()}
              | wall | {stepped_wall, Nanoseconds :: integer()}
              | {unrelated, Zero :: integer(), Percent :: pos_integer()}
              | frozen | random.

-type timed() :: {gosocket_test_blocked:name(), {Elapsed :: integer(), Outcome :: term()}}.

-export_type([kind/0, timed/0]).

%% Those that differ from the helper's clock from the start, by more than the first exchange with the helper takes.
-spec kinds() -> [kind()].
kinds() ->
    [{offset, Offset} || Offset <- [?HOUR, -?HOUR, 500000000, -500000000]]
        ++ [{rate, 200}, {rate, 50}, {rate, 101}, {unrelated, 12345678901234567, 37}, wall, frozen].

%% Before the first socket of the node is opened. One of another rate was right a minute ago: by how much it is wrong when
%% the helper starts is not for the machine's load to say.
-spec fake(kind()) -> ok.
fake(Kind) ->
    ok = change(Kind, os:perf_counter(nanosecond) - ?MINUTE),
    Beam = code:which(gosocket_clock),
    {ok, {_, [{abstract_code, {raw_abstract_v1, Forms}}]}} = beam_lib:chunks(Beam, [abstract_code]),
    {ok, Module, Code} = compile:forms(replaced(Forms)),
    {module, Module} = code:load_binary(Module, "faked", Code),
    ok.

-spec replaced(term()) -> term().
replaced({remote, At, {atom, _, os}, {atom, _, perf_counter}}) ->
    {remote, At, {atom, At, ?MODULE}, {atom, At, perf_counter}};
replaced(Form) when is_tuple(Form) ->
    list_to_tuple(replaced(tuple_to_list(Form)));
replaced([Form | Forms]) ->
    [replaced(Form) | replaced(Forms)];
replaced(Form) ->
    Form.

%% From now on; a clock of another rate is right now.
-spec change(kind()) -> ok.
change(Kind) ->
    change(Kind, os:perf_counter(nanosecond)).

-spec change(kind(), Start :: integer()) -> ok.
change(Kind, Start) ->
    persistent_term:put(?MODULE, {Kind, Start}).

-spec perf_counter(nanosecond) -> integer().
perf_counter(nanosecond) ->
    Now = os:perf_counter(nanosecond),
    case persistent_term:get(?MODULE) of
        {same, _} -> Now;
        {{offset, Offset}, _} -> Now + Offset;
        {{rate, Percent}, Start} -> Start + (Now - Start) * Percent div 100;
        {{unrelated, Zero, Percent}, _} -> Zero + Now * Percent div 100;
        {wall, _} -> os:system_time(nanosecond);
        {{stepped_wall, Step}, _} -> os:system_time(nanosecond) + Step;
        {frozen, Start} -> Start;
        {random, _} -> rand:uniform(2 * Now)
    end.

%% What callers are told.
-spec relation() -> shared | apart.
relation() ->
    {gosocket_lane, Words, _} = gosocket_door:known(0),
    element(1 + atomics:get(Words, 6), {shared, apart}).

%% ---- in fresh nodes ----

-spec timeouts_with(kind()) -> {term(), [timed()]}.
timeouts_with(Kind) ->
    ok = fake(Kind),
    Timed = timeouts(),
    {{Kind, relation()}, Timed}.

%% To and fro, all the time that calls are made and wait.
-spec timeouts_while_wall_time_steps() -> {term(), [timed()]}.
timeouts_while_wall_time_steps() ->
    ok = fake(wall),
    Stepper = spawn_link(fun step/0),
    Timed = timeouts() ++ timeouts(),
    unlink(Stepper),
    true = exit(Stepper, kill),
    {{wall, relation()}, Timed}.

-spec step() -> no_return().
step() ->
    receive after 1 -> ok end,
    ok = change({stepped_wall, rand:uniform(2 * ?HOUR) - ?HOUR}),
    step().

-spec parts_later(kind()) -> {term(), [timed()]}.
parts_later(Kind) ->
    ok = fake(same),
    Socket = bound({inet, dgram}),
    shared = relation(),
    Waits = start(fun() -> ?S:recv(Socket, 0) end),
    ok = change(Kind),
    ok = wait_until(fun() -> relation() =:= apart end),
    close(Socket),
    {error, closed} = result(Waits),
    {{Kind, relation()}, timeouts()}.

-spec timeouts() -> [timed()].
timeouts() ->
    [timed(gosocket_test_blocked:make(Name)) || Name <- gosocket_test_blocked:names()].

-spec timed(gosocket_test_blocked:situation()) -> timed().
timed(#{name := Name, call := Call, socket := Socket, others := Others}) ->
    Timed = timed(Name, Call),
    close([Socket | Others]),
    Timed.

%% By a clock that is neither of the two: it may differ by a per cent from both while the VM corrects it.
-spec timed(gosocket_test_blocked:name(), fun((timeout()) -> term())) -> timed().
timed(Name, Call) ->
    Start = erlang:monotonic_time(microsecond),
    Result = Call(?TIMEOUT),
    Elapsed = (erlang:monotonic_time(microsecond) - Start) * 101 div 100000,
    {Name, {Elapsed, gosocket_test_blocked:outcome(Name, Result)}}.
