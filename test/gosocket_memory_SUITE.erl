%% The helper's memory is that of the moment: what a burst took is the system's again soon after.
-module(gosocket_memory_SUITE).

-export([
    memory_of_a_suspended_lane_under_load_is_returned/1,
    memory_of_large_arguments_is_returned/1,
    memory_of_receives_that_trickled_in_is_returned/1,
    memory_of_stuck_senders_is_returned/1,
    memory_of_large_messages_is_returned/1,
    memory_of_ten_thousand_calls_and_sockets_is_returned/1
]).

-define(OURS, [
    memory_of_a_suspended_lane_under_load_is_returned,
    memory_of_large_arguments_is_returned,
    memory_of_receives_that_trickled_in_is_returned,
    memory_of_stuck_senders_is_returned,
    memory_of_large_messages_is_returned,
    memory_of_ten_thousand_calls_and_sockets_is_returned
]).
-define(BESIDE, ?OURS).
-include("gosocket_test.hrl").

-define(MIB, (1 bsl 20)).
-define(CALM_MIB, 16).
-define(SECONDS, 10).

%% The data come from sockets of others.
-spec memory_of_a_suspended_lane_under_load_is_returned(config()) -> term().
memory_of_a_suspended_lane_under_load_is_returned(_) ->
    gosocket_test_node:alone(fun() ->
        {ok, Listener} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}, {backlog, 200}]),
        {ok, Port} = inet:port(Listener),
        Sockets = [begin
             Socket = unconnected({inet, stream}),
             ok = ?S:connect(Socket, #{family => inet, addr => loopback, port => Port}),
             Socket
         end || _ <- lists:seq(1, 150)],
        Senders = [begin {ok, Sender} = gen_tcp:accept(Listener), Sender end || _ <- Sockets],
        Calls = [start(fun() -> ?S:recv(Socket, 64 * ?MIB) end) || Socket <- Sockets],
        [await_parked(Socket, num_readers, 1) || Socket <- Sockets],
        Data = random(20000),
        Peak = with_lane_suspended(fun() ->
            Pouring = [start(fun() -> trickle(Sender, Data, 40) end) || Sender <- Senders],
            [ok = result(Call) || Call <- Pouring],
            receive after 4000 -> ok end,
            resident_kib()
        end),
        close(Sockets),
        [{error, {closed, _}} = result(Call) || Call <- Calls],
        [ok = gen_tcp:close(Sender) || Sender <- [Listener | Senders]],
        returned(Peak)
    end).

-spec trickle(gen_tcp:socket(), binary(), non_neg_integer()) -> ok.
trickle(_, _, 0) ->
    ok;
trickle(Sender, Data, N) ->
    ok = gen_tcp:send(Sender, Data),
    receive after 100 -> ok end,
    trickle(Sender, Data, N - 1).

%% Each is gathered in the helper, as it comes, up to its last byte but one.
-spec memory_of_receives_that_trickled_in_is_returned(config()) -> term().
memory_of_receives_that_trickled_in_is_returned(_) ->
    gosocket_test_node:alone(fun() ->
        Pairs = [pair({inet, stream}) || _ <- lists:seq(1, 100)],
        Calls = [start(fun() -> ?S:recv(B, ?MIB) end) || {_, B} <- Pairs],
        [await_parked(B, num_readers, 1) || {_, B} <- Pairs],
        Chunk = random(20000),
        [[ok = ?S:send(A, Chunk) || {A, _} <- Pairs] || _ <- lists:seq(1, 50)],
        [wait_until(fun() -> maps:get(read_byte, maps:get(counters, ?S:info(B))) =:= 1000000 end) || {_, B} <- Pairs],
        Peak = resident_kib(),
        [ok = ?S:close(B) || {_, B} <- Pairs],
        [{error, {closed, _}} = result(Call) || Call <- Calls],
        close([A || {A, _} <- Pairs]),
        returned(Peak)
    end).

-spec memory_of_stuck_senders_is_returned(config()) -> term().
memory_of_stuck_senders_is_returned(_) ->
    gosocket_test_node:alone(fun() ->
        Data = random(?MIB),
        Stuck = [begin
             {Socket, Peer} = small_pair({local, stream}),
             {start(fun() -> ?S:send(Socket, Data) end), Socket, Peer}
         end || _ <- lists:seq(1, 1000)],
        [await_parked(Socket, num_writers, 1) || {_, Socket, _} <- Stuck],
        Peak = resident_kib(),
        [close({Socket, Peer}) || {_, Socket, Peer} <- Stuck],
        [{error, {closed, _}} = result(Writer) || {Writer, _, _} <- Stuck],
        returned(Peak)
    end).

-spec memory_of_large_messages_is_returned(config()) -> term().
memory_of_large_messages_is_returned(_) ->
    gosocket_test_node:alone(fun() ->
        Message = random(7 * ?MIB),
        Stuck = [begin
             {Socket, Peer} = pair({local, dgram}),
             ok = ?S:setopt(Socket, socket, sndbuf, 8 * ?MIB),
             {start(fun() -> ?S:send(Socket, Message, 3000) end), start(fun() -> ?S:recv(Peer, 8 * ?MIB, 3000) end), Socket, Peer}
         end || _ <- lists:seq(1, 20)],
        _ = [{result(Writer), result(Reader)} || {Writer, Reader, _, _} <- Stuck],
        Peak = resident_kib(),
        [close({Socket, Peer}) || {_, _, Socket, Peer} <- Stuck],
        returned(Peak)
    end).

-spec memory_of_large_arguments_is_returned(config()) -> term().
memory_of_large_arguments_is_returned(_) ->
    gosocket_test_node:alone(fun() ->
        Term = random(3 * ?MIB),
        Sockets = [begin
             Socket = unconnected({inet, dgram}),
             ok = ?S:setopt(Socket, otp, meta, Term),
             _ = outcome(fun() -> ?S:bind(Socket, #{family => inet, addr => Term}) end),
             Socket
         end || _ <- lists:seq(1, 40)],
        Peak = resident_kib(),
        close(Sockets),
        returned(Peak)
    end).

-spec memory_of_ten_thousand_calls_and_sockets_is_returned(config()) -> term().
memory_of_ten_thousand_calls_and_sockets_is_returned(_) ->
    gosocket_test_node:alone(fun() ->
        Sockets = [bound({inet, dgram}) || _ <- lists:seq(1, 1000)],
        Calls = [start(fun() -> ?S:recv(Socket, 0) end) || Socket <- Sockets, _ <- lists:seq(1, 10)],
        [await_parked(Socket, num_readers, 10) || Socket <- Sockets],
        Peak = resident_kib(),
        close(Sockets),
        [{error, closed} = result(Call) || Call <- Calls],
        returned(Peak)
    end).

-spec returned(pos_integer()) -> ok.
returned(Peak) ->
    ct:log("~b KiB at most, ~b KiB when all is closed", [Peak, resident_kib()]),
    wait_until(fun() -> resident_kib() < ?CALM_MIB * 1024 end, ?SECONDS * 1000).

-spec resident_kib() -> pos_integer().
resident_kib() ->
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s*([0-9]+) kB", [{capture, all_but_first, list}]),
    list_to_integer(KiB).
