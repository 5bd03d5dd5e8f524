%% What the suites share: their set-up, processes that call on command, waiting for a state, and the lane and helper as
%% an observer from outside sees them.
-module(gosocket_test_lib).

-include("gosocket_test.hrl").

%% suites
-export([cases/1, cases/2, init_suite/2, init_case/4]).
%% processes
-export([start/1, result/1, result/2, beside/2, actor/0, actor_loop/2, run/2, cast/2, answer/1, kill/1, outcome/1, elapsed/1]).
%% waiting
-export([wait_until/1, wait_until/2, await_parked/3, await_select/2, await_abort/3, fetch_messages/0, no_messages/1]).
%% lane and helper
-export([default_lanes/0, in_each_lane/1, in_lane/3, lane/0, lane_port/0, helper_os_pid/0, signal/2, helper_alive/1]).
-export([killed_before_delivery/2, with_lane_suspended/1, await_frame/1]).
%% the machine
-export([random/1, unique/0, abstract/0, has_ipv6/0, is_short/0, slack/0, skip_unless/2]).

-type call() :: {pid(), reference()}.
-type socket() :: {'$socket', reference()}.

-export_type([call/0, socket/0]).

%% ---- suites ----

%% All exported functions of arity 1 are cases: none can be forgotten in a list. What looks at the rest comes last.
-spec cases(module()) -> [atom()].
cases(Module) ->
    Others = [init_per_suite, end_per_suite, module_info, nothing_is_left_behind],
    lists:sort([Name || {Name, 1} <- Module:module_info(exports), not lists:member(Name, Others)])
        ++ [nothing_is_left_behind].

-spec cases(module(), Beside :: [atom()]) -> [atom() | {group, beside}].
cases(Module, []) -> cases(Module);
cases(Module, Beside) -> [{group, beside} | cases(Module) -- Beside].

-spec init_suite(string(), config()) -> config() | {skip, string()}.
init_suite("", Config) -> [{snapshot, gosocket_test_leaks:snapshot()} | Config];
init_suite(Lacking, _) -> {skip, Lacking}.

%% `Ours' are the cases in which this application differs from the reference on purpose, `OneLane' those that speak of the default lane
%% as of one.
-spec init_case(atom(), Ours :: [atom()], OneLane :: [atom()], config()) -> config() | {skip, string()}.
init_case(Case, Ours, OneLane, Config) ->
    case ?REFERENCE_RUN andalso lists:member(Case, Ours) of
        true -> {skip, "differs from the reference on purpose"};
        false -> init_lanes(default_lanes() > 1 andalso lists:member(Case, OneLane), Config)
    end.

-spec init_lanes(TooMany :: boolean(), config()) -> config() | {skip, string()}.
init_lanes(true, _Config) -> {skip, "speaks of one default lane"};
init_lanes(false, Config) -> Config.

%% ---- processes ----

%% Runs Fun in a process of its own, which ends with it.
-spec start(fun(() -> term())) -> call().
start(Fun) ->
    spawn_monitor(fun() -> exit({result, Fun()}) end).

-spec result(call()) -> term().
result(Call) ->
    result(Call, ?PATIENCE).

-spec result(call(), timeout()) -> term().
result({Pid, Monitor}, Timeout) ->
    receive
        {'DOWN', Monitor, process, Pid, {result, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> {died, Reason}
    after Timeout ->
        Where = erlang:process_info(Pid, [current_stacktrace, messages]),
        exit(Pid, kill),
        ct:fail({no_result, Where})
    end.

%% Fun of each, of six at the same time: for what waits and shares nothing.
-spec beside(fun((Element) -> Result), [Element]) -> [Result].
beside(_, []) ->
    [];
beside(Fun, List) ->
    {Now, Later} = lists:split(min(6, length(List)), List),
    Calls = [start(fun() -> {done, Fun(Element)} end) || Element <- Now],
    Results = [case result(Call, 2 * ?PATIENCE) of
                   {done, Result} -> Result;
                   {died, Reason} -> exit(Reason)
               end || Call <- Calls],
    Results ++ beside(Fun, Later).

%% A process that calls on command and keeps its mailbox, as a user of asynchronous calls does.
-spec actor() -> pid().
actor() ->
    Parent = self(),
    spawn_link(fun() ->
        Monitor = erlang:monitor(process, Parent),
        actor_loop(Parent, Monitor)
    end).

-spec actor_loop(pid(), reference()) -> ok.
actor_loop(Parent, Monitor) ->
    receive
        {run, Tag, Fun} ->
            Parent ! {Tag, outcome(Fun)},
            actor_loop(Parent, Monitor);
        {'DOWN', Monitor, process, Parent, _} ->
            ok
    end.

%% Runs Fun in the actor and returns what it returned; {Class, Reason} when it raised.
-spec run(pid(), fun(() -> term())) -> term().
run(Actor, Fun) ->
    answer(cast(Actor, Fun)).

-spec cast(pid(), fun(() -> term())) -> {pid(), reference()}.
cast(Actor, Fun) ->
    Tag = make_ref(),
    Actor ! {run, Tag, Fun},
    {Actor, Tag}.

-spec answer({pid(), reference()}) -> term().
answer({Actor, Tag}) ->
    receive
        {Tag, {returned, Value}} -> Value;
        {Tag, Raised} -> Raised
    after ?PATIENCE ->
        ct:fail({no_answer, erlang:process_info(Actor, [current_stacktrace, messages])})
    end.

-spec kill(pid()) -> ok.
kill(Actor) ->
    Monitor = erlang:monitor(process, Actor),
    unlink(Actor),
    exit(Actor, kill),
    receive
        {'DOWN', Monitor, process, Actor, _} -> ok
    end.

-spec outcome(fun(() -> term())) -> {returned, term()} | {error | exit | throw, term()}.
outcome(Fun) ->
    try
        {returned, Fun()}
    catch
        Class:Reason -> {Class, Reason}
    end.

%% Milliseconds are cut, not rounded: a call that waited 99.9 ms did not wait 100.
-spec elapsed(fun(() -> term())) -> {non_neg_integer(), term()}.
elapsed(Fun) ->
    Start = clock(),
    Result = Fun(),
    {(clock() - Start) div 1000000, Result}.

%% Time-outs go by the system's clock; the reference's by the VM's own, which may differ by a per cent while it is corrected.
-spec clock() -> Nanoseconds :: integer().
-ifdef(REFERENCE).
clock() -> erlang:monotonic_time(nanosecond).
-else.
clock() -> os:perf_counter(nanosecond).
-endif.

%% ---- waiting ----

-spec wait_until(fun(() -> boolean())) -> ok.
wait_until(Condition) ->
    wait_until(Condition, ?PATIENCE).

%% Looks again and again: for states (a parked call, a process of the system gone) that send no message.
-spec wait_until(fun(() -> boolean()), non_neg_integer()) -> ok.
wait_until(Condition, Left) ->
    case Condition() of
        true ->
            ok;
        false when Left > 0 ->
            receive
            after 1 -> wait_until(Condition, Left - 1)
            end;
        false ->
            ct:fail({never_came_true, erlang:fun_info(Condition, env)})
    end.

%% Until N processes wait on Socket: Kind is num_readers, num_writers or num_acceptors.
-spec await_parked(socket(), num_readers | num_writers | num_acceptors, non_neg_integer()) -> ok.
await_parked(Socket, Kind, N) ->
    wait_until(fun() -> maps:get(Kind, ?S:info(Socket)) =:= N end).

-spec await_select(socket(), {select_info, atom(), reference()}) -> ok.
await_select(Socket, {select_info, _, Ref}) ->
    receive
        {'$socket', Socket, select, Ref} -> ok
    after ?PATIENCE ->
        ct:fail({no_select, Ref, erlang:process_info(self(), messages)})
    end.

-spec await_abort(socket(), {select_info, atom(), reference()}, term()) -> ok.
await_abort(Socket, {select_info, _, Ref}, Reason) ->
    receive
        {'$socket', Socket, abort, {Ref, Reason}} -> ok
    after ?PATIENCE ->
        ct:fail({no_abort, Ref, erlang:process_info(self(), messages)})
    end.

%% Before this process looks at its own mailbox: what has just come is missing in process_info/2, in OTP 25 for as long as a
%% second, until a receive has gone through all there is.
-spec fetch_messages() -> ok.
fetch_messages() ->
    receive
        {?MODULE, no_message} -> ok
    after 0 -> ok
    end.

%% A call that needs no waiting goes the way that messages go, in the same order: behind its answer none is under way.
-spec no_messages(socket()) -> ok.
no_messages(Socket) ->
    _ = ?S:getopt(Socket, socket, type),
    receive
        {'$socket', _, _, _} = Message -> ct:fail({stray, Message})
    after 0 -> ok
    end.

%% ---- lane and helper ----

%% How many the setting of this run has (see .ci/matrix).
-spec default_lanes() -> pos_integer().
default_lanes() ->
    _ = application:load(gosocket),
    application:get_env(gosocket, default_lanes, 1).

%% In processes whose sockets are of the first one, of the second one, and so on.
-spec in_each_lane(fun(() -> Result)) -> [Result].
in_each_lane(Fun) ->
    Count = default_lanes(),
    [in_lane(Number, Count, Fun) || Number <- lists:seq(0, Count - 1)].

%% In a process whose sockets are of this one of so many.
-spec in_lane(non_neg_integer(), pos_integer(), fun(() -> Result)) -> Result.
in_lane(Number, Count, Fun) ->
    case result(start(fun() -> erlang:phash2(self(), Count) =:= Number andalso {ran, Fun()} end)) of
        {ran, Result} -> Result;
        false -> in_lane(Number, Count, Fun)
    end.

%% That of the sockets which this process opens, where every caller finds it.
-spec lane() -> pid().
lane() ->
    persistent_term:get({gosocket_lane, erlang:phash2(self(), default_lanes())}).

-spec lane_port() -> port().
lane_port() ->
    {links, Links} = erlang:process_info(lane(), links),
    [Port] = [Link || Link <- Links, is_port(Link)],
    Port.

-spec helper_os_pid() -> pos_integer().
helper_os_pid() ->
    {os_pid, Pid} = erlang:port_info(lane_port(), os_pid),
    Pid.

-spec signal(string(), pos_integer()) -> ok.
signal(Name, OsPid) ->
    "" = os:cmd(lists:flatten(io_lib:format("kill -~s ~b", [Name, OsPid]))),
    ok.

-spec helper_alive(pos_integer()) -> boolean().
helper_alive(OsPid) ->
    filelib:is_dir("/proc/" ++ integer_to_list(OsPid)).

%% The lane stands still while the helper's answer reaches its mailbox and Reader dies; the other end is no socket of
%% ours, whose calls would stand still too.
-spec killed_before_delivery(call(), fun(() -> ok)) -> ok.
killed_before_delivery({Reader, _}, Act) ->
    with_lane_suspended(fun() ->
        ok = Act(),
        await_frame(lane()),
        kill(Reader)
    end).

-spec with_lane_suspended(fun(() -> Result)) -> Result.
with_lane_suspended(Act) ->
    Lane = lane(),
    true = erlang:suspend_process(Lane),
    try
        Act()
    after
        true = erlang:resume_process(Lane)
    end.

-spec await_frame(pid()) -> ok.
await_frame(Lane) ->
    wait_until(fun() ->
        {messages, Messages} = erlang:process_info(Lane, messages),
        [] =/= [Frame || {Port, {data, Frame}} <- Messages, is_port(Port), has_answer(binary_to_term(Frame))]
    end).

%% A frame may be a batch of several.
-spec has_answer(tuple() | [binary()]) -> boolean().
has_answer(Batch) when is_list(Batch) -> lists:any(fun(Element) -> is_answer(binary_to_term(Element)) end, Batch);
has_answer(Term) -> is_answer(Term).

-spec is_answer(tuple()) -> boolean().
is_answer({Id, _}) -> is_integer(Id);
is_answer(_) -> false.

%% ---- the machine ----

-spec random(non_neg_integer()) -> binary().
random(Size) ->
    Words = << <<(rand:uniform(1 bsl 58)):64>> || _ <- lists:seq(0, Size div 8) >>,
    binary:part(Words, 0, Size).

-spec unique() -> string().
unique() ->
    lists:concat(["gosocket-", os:getpid(), "-", erlang:unique_integer([positive])]).

%% An abstract address of domain local: nothing to remove afterwards.
-spec abstract() -> #{family := local, path := binary()}.
abstract() ->
    #{family => local, path => <<0, (list_to_binary(unique()))/binary>>}.

-spec has_ipv6() -> boolean().
has_ipv6() ->
    case file:read_file("/proc/net/if_inet6") of
        {ok, Interfaces} -> binary:match(Interfaces, <<"00000000000000000000000000000001">>) =/= nomatch;
        {error, _} -> false
    end.

%% @doc Whether what only repeats is to be short: in runs of the same suites under many settings.
-spec is_short() -> boolean().
is_short() ->
    os:getenv("GOSOCKET_TEST_SHORT") =/= false.

%% How many times as long as promised something may take: where other suites run beside they may have the processors, and what is slow is
%% not to be taken for lost.
-spec slack() -> pos_integer().
slack() ->
    case os:getenv("GOSOCKET_MASSES") of
        false -> 5;
        _ -> 1
    end.

-spec skip_unless(boolean(), string()) -> ok.
skip_unless(true, _) ->
    ok;
skip_unless(false, Reason) ->
    %% Common Test takes this throw for a skipped case and prints the reason.
    throw({skip, Reason}).
