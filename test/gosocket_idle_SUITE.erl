%% Nothing polls: what waits costs no system calls.
-module(gosocket_idle_SUITE).

-export([
    nothing_pending_makes_no_system_calls/1,
    a_thousand_parked_receives_make_no_more_calls_than_the_pings/1,
    a_thousand_armed_selects_make_no_more_calls_than_the_pings/1,
    a_thousand_parked_receives_wake_threads_for_pings_only/1,
    parked_timeouts_make_no_calls_before_they_are_due/1
]).

%% They look into the helper.
-define(OURS, [
    nothing_pending_makes_no_system_calls,
    a_thousand_parked_receives_make_no_more_calls_than_the_pings,
    a_thousand_armed_selects_make_no_more_calls_than_the_pings,
    a_thousand_parked_receives_wake_threads_for_pings_only,
    parked_timeouts_make_no_calls_before_they_are_due
]).
-define(BESIDE, ?OURS).
-include("gosocket_test.hrl").

-define(SECONDS, 2).
-define(LONG_SECONDS, 6).
%% A ping is looked for, read and answered; then the loop looks once more, and so does the Go runtime before it waits.
-define(CALLS_PER_PING, 6).
%% Of all threads of the helper together.
-define(SWITCHES_PER_SECOND, 3).

-type calls() :: #{binary() => pos_integer()}.

-spec nothing_pending_makes_no_system_calls(config()) -> term().
nothing_pending_makes_no_system_calls(_) ->
    gosocket_test_node:alone(fun() ->
        Sockets = [bound({inet, dgram}) || _ <- lists:seq(1, 1000)],
        ok = await_no_pings(),
        close(Sockets)
    end).

%% strace itself interrupts the one call that waits.
-spec is_idle(calls()) -> boolean().
is_idle(Calls) ->
    total(Calls) =< 2.

%% The lane pings for as long as calls are pending, and a tick longer. The helper returns memory three seconds after it
%% was of use. On a busy machine strace interrupts more than the one call, so there is another look.
-spec await_no_pings() -> ok.
await_no_pings() ->
    wait_until(fun() -> is_idle(traced(4)) end, 10).

-spec a_thousand_parked_receives_make_no_more_calls_than_the_pings(config()) -> term().
a_thousand_parked_receives_make_no_more_calls_than_the_pings(_) ->
    gosocket_test_node:alone(fun() ->
        {Sockets, Calls} = lists:unzip([parked(infinity) || _ <- lists:seq(1, 1000)]),
        ok = await_pings_only(?LONG_SECONDS),
        close(Sockets),
        ?assertEqual(lists:duplicate(1000, {error, closed}), [result(Call) || Call <- Calls])
    end).

-spec a_thousand_armed_selects_make_no_more_calls_than_the_pings(config()) -> term().
a_thousand_armed_selects_make_no_more_calls_than_the_pings(_) ->
    gosocket_test_node:alone(fun() ->
        Selects = [{Socket, SelectInfo} || _ <- lists:seq(1, 1000), Socket <- [bound({inet, dgram})],
                                           {select, SelectInfo} <- [?S:recvfrom(Socket, 0, nowait)]],
        ok = await_pings_only(?SECONDS),
        [ok = ?S:cancel(Socket, SelectInfo) || {Socket, SelectInfo} <- Selects],
        close([Socket || {Socket, _} <- Selects])
    end).

-spec a_thousand_parked_receives_wake_threads_for_pings_only(config()) -> term().
a_thousand_parked_receives_wake_threads_for_pings_only(_) ->
    gosocket_test_node:alone(fun() ->
        {Sockets, Calls} = lists:unzip([parked(infinity) || _ <- lists:seq(1, 1000)]),
        wait_until(fun() -> switches_in(?LONG_SECONDS) =< ?LONG_SECONDS * ?SWITCHES_PER_SECOND end, 4),
        close(Sockets),
        ?assertEqual(lists:duplicate(1000, {error, closed}), [result(Call) || Call <- Calls])
    end).

-spec switches_in(Seconds :: pos_integer()) -> non_neg_integer().
switches_in(Seconds) ->
    Before = switches(),
    receive
    after Seconds * 1000 -> ok
    end,
    After = switches(),
    ct:log("~b context switches in ~b s", [After - Before, Seconds]),
    After - Before.

%% Of the threads that there are: some may have ended, whose switches do not count any more.
-spec switches() -> non_neg_integer().
switches() ->
    Files = filelib:wildcard(lists:concat(["/proc/", helper_os_pid(), "/task/*/status"])),
    lists:sum([binary_to_integer(Count)
               || File <- Files, {ok, Status} <- [file:read_file(File)],
                  {match, Counts} <- [re:run(Status, "^(?:non)?voluntary_ctxt_switches:\\s*(\\d+)$",
                                             [global, multiline, {capture, all_but_first, binary}])],
                  [Count] <- Counts]).

-spec parked_timeouts_make_no_calls_before_they_are_due(config()) -> term().
parked_timeouts_make_no_calls_before_they_are_due(_) ->
    gosocket_test_node:alone(fun() ->
        {Sockets, Calls} = lists:unzip([parked(600000 + N) || N <- lists:seq(1, 1000)]),
        ok = await_pings_only(?SECONDS),
        close(Sockets),
        ?assertEqual(lists:duplicate(1000, {error, closed}), [result(Call) || Call <- Calls])
    end).

-spec parked(timeout()) -> {socket(), gosocket_test_lib:call()}.
parked(Timeout) ->
    Socket = bound({inet, dgram}),
    Call = start(fun() -> ?S:recv(Socket, 0, Timeout) end),
    ok = await_parked(Socket, num_readers, 1),
    {Socket, Call}.

%% What was of use before is returned first, which takes calls of its own for some seconds.
-spec await_pings_only(Seconds :: pos_integer()) -> ok.
await_pings_only(Seconds) ->
    wait_until(fun() -> total(traced(Seconds)) =< pings(Seconds) end, 4).

%% One a second, the first and the last of which may be cut.
-spec pings(pos_integer()) -> pos_integer().
pings(Seconds) ->
    ?CALLS_PER_PING * (Seconds + 2).

-spec total(calls()) -> non_neg_integer().
total(Calls) ->
    lists:sum(maps:values(Calls)).

%% ---- strace ----

%% The helper's system calls while it is watched, without those by which the Go runtime manages its threads and memory: how
%% many of these a wake-up takes depends on how long the machine lets it wait.
-spec traced(pos_integer()) -> calls().
traced(Seconds) ->
    Strace = os:find_executable("strace"),
    skip_unless(Strace =/= false, "strace is not installed"),
    Report = filename:join("/tmp", unique()),
    Port = open_port({spawn_executable, Strace},
                     [{args, ["-f", "-c", "-o", Report, "-p", integer_to_list(helper_os_pid())]},
                      stderr_to_stdout, exit_status, binary]),
    await_attached(Port, <<>>),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    receive
    after Seconds * 1000 -> ok
    end,
    signal("INT", OsPid),
    receive
        {Port, {exit_status, _}} -> ok
    end,
    {ok, Text} = file:read_file(Report),
    ok = file:delete(Report),
    Calls = counted(Text),
    ct:log("~b s: ~p", [Seconds, Calls]),
    maps:without([<<"futex">>, <<"nanosleep">>, <<"clock_nanosleep">>, <<"sched_yield">>, <<"sched_getaffinity">>,
                  <<"restart_syscall">>, <<"madvise">>, <<"mmap">>, <<"munmap">>, <<"tgkill">>, <<"getpid">>, <<"rt_sigreturn">>,
                  <<"pread64">>], % of the control group's quota
                 Calls).

-spec await_attached(port(), binary()) -> ok.
await_attached(Port, Said) ->
    receive
        {Port, {data, More}} ->
            case binary:match(<<Said/binary, More/binary>>, <<"attached">>) of
                nomatch -> await_attached(Port, <<Said/binary, More/binary>>);
                _ -> ok
            end;
        {Port, {exit_status, _}} ->
            skip_unless(false, "strace may not attach: " ++ binary_to_list(Said))
    end.

%% A line of the report: share, seconds, microseconds a call, calls, errors or nothing, name.
-spec counted(binary()) -> calls().
counted(Text) ->
    case re:run(Text, "^ *[0-9.]+ +[0-9.]+ +[0-9]+ +([0-9]+) +(?:[0-9]+ +)?([a-z0-9_]+)$",
                [global, multiline, {capture, all_but_first, binary}]) of
        {match, Lines} -> maps:from_list([{Name, binary_to_integer(Count)} || [Count, Name] <- Lines, Name =/= <<"total">>]);
        nomatch -> #{}
    end.
