%% debug/1, socket_debug/1, the option debug: what the log says of calls. Each case reads what a node of its own has
%% printed.
-module(gosocket_trace_SUITE).

-export([
    every_call_is_a_line_of_the_log/1,
    nothing_is_logged_unless_asked_for/1,
    time_of_a_call_includes_its_waiting/1,
    option_debug_shows_one_socket_and_what_it_accepts/1,
    open_with_debug_shows_that_open/1,
    socket_debug_shows_sockets_opened_later/1,
    debug_outlives_the_helper/1,
    application_variables_are_the_first_setting/1,
    calls_of_all_loops_are_shown/1
]).
%% In the nodes.
-export([calls/0, silent/0, waits/0, one_socket/0, one_open/0, later_sockets/0, new_helper/0, plain/0, many/0]).

-define(OURS, [
    every_call_is_a_line_of_the_log,
    nothing_is_logged_unless_asked_for,
    time_of_a_call_includes_its_waiting,
    option_debug_shows_one_socket_and_what_it_accepts,
    open_with_debug_shows_that_open,
    socket_debug_shows_sockets_opened_later,
    debug_outlives_the_helper,
    application_variables_are_the_first_setting,
    calls_of_all_loops_are_shown
]).
-include("gosocket_test.hrl").

-type line() :: #{string() => string()}.

%% What the function returned in a fresh node, and what the log said there, once the helper had ended.
-spec logged(atom()) -> {term(), [line()]}.
logged(Function) ->
    logged(Function, []).

-spec logged(atom(), [string()]) -> {term(), [line()]}.
logged(Function, Options) ->
    {{returned, Result}, Printed} = gosocket_test_node:wait(gosocket_test_node:start(?MODULE, Function, [], [], Options)),
    ct:log("~ts", [Printed]),
    {Result, [line(Line) || <<"{", _/binary>> = Line <- binary:split(Printed, <<"\n">>, [global])]}.

-spec line(binary()) -> line().
line(Json) ->
    {match, Fields} = re:run(Json, <<"\"(\\w+)\":(?|\"((?:[^\"\\\\]|\\\\.)*)\"|([^,}]*))">>,
                             [global, {capture, all_but_first, list}]),
    maps:from_list([{Key, unquoted(Value)} || [Key, Value] <- Fields]).

%% Maps with their keys sorted: the order in which the VM writes them is its own.
-spec sorted(string()) -> string().
sorted(Text) ->
    case re:run(Text, "^(.*?#{)((?:\\w+=>(?:{[^{}]*}|[^{},]*),?)+)(}.*)$", [{capture, all_but_first, list}]) of
        {match, [Before, Pairs, After]} ->
            Sorted = lists:sort(re:split(Pairs, ",(?=\\w+=>)", [{return, list}])),
            Before ++ lists:append(lists:join(",", Sorted)) ++ sorted(After);
        nomatch ->
            Text
    end.

-spec unquoted(string()) -> string().
unquoted([$\\, C | Rest]) -> [C | unquoted(Rest)];
unquoted([C | Rest]) -> [C | unquoted(Rest)];
unquoted([]) -> [].

-spec calls_in([line()]) -> [string()].
calls_in(Lines) ->
    [Call || #{"call" := Call} <- Lines].

%% In a node: whatever Fun returns, when the helper and its log are out.
-spec to_the_end(fun(() -> Result)) -> Result.
to_the_end(Fun) ->
    Result = Fun(),
    Helper = helper_os_pid(),
    ok = application:stop(gosocket),
    wait_until(fun() -> not helper_alive(Helper) end),
    Result.

-spec every_call_is_a_line_of_the_log(config()) -> term().
every_call_is_a_line_of_the_log(_) ->
    {{Self, FD, Port}, Lines} = logged(calls),
    Results = [{Call, sorted(Arguments), Result} || #{"call" := Call, "args" := Arguments, "result" := Result} <- Lines],
    Address = "#{addr=>{127,0,0,1},family=>inet,port=>" ++ Port ++ "}",
    ?assertMatch([{"open", "inet, dgram, udp, #{use_registry=>true}", "{ok,{" ++ _},
                  {"bind", "#{addr=>loopback,family=>inet}", "{ok," ++ _},
                  {"getopt", "otp, fd", _},
                  {"setopt", "socket, broadcast, true", "ok"},
                  {"getopt", "socket, foo", "{raise,{invalid,{not_supported,{socket,foo}}}}"},
                  {"sendto", _, "ok"},
                  {"recvfrom", "0, [], infinity, []", _},
                  {"recv", "7, [peek], nowait, #Ref<" ++ _, "{select,{select_info,recv,#Ref<" ++ _},
                  {"cancel", "{select_info,recv,#Ref<" ++ _, "ok"},
                  {"recvmsg", "0, 0, [], 0, []", "{error,timeout}"},
                  {"close", "", "ok"},
                  {"recv", "0, [], infinity, []", "{error,closed}"}], Results),
    ?assertEqual({"sendto", Address ++ ", [], infinity, [], 100, <<\"" ++ lists:duplicate(32, $x) ++ "\"... 100 bytes>>", "ok"},
                 lists:keyfind("sendto", 1, Results)),
    ?assertMatch({match, _}, re:run(element(3, lists:keyfind("recvfrom", 1, Results)), "^{ok,{#{.*},<<\"xxx.*100 bytes>>}}$")),
    [?assertMatch(#{"level" := "debug", "message" := "call", "pid" := _, "time" := _}, Line) || Line <- Lines],
    ?assertEqual([FD], lists:usort([Of || #{"fd" := Of, "call" := Call} <- Lines, Call =/= "recv"])),
    ?assertEqual(1, length(lists:usort([Socket || #{"socket" := Socket} <- Lines]))),
    ?assertEqual([Self], lists:usort([Process || #{"process" := Process} <- Lines])),
    [?assert(list_to_float(with_point(Micros)) < 1000000) || #{"us" := Micros} <- Lines].

-spec with_point(string()) -> string().
with_point(Number) ->
    case lists:member($., Number) of
        true -> Number;
        false -> Number ++ ".0"
    end.

-spec calls() -> {string(), string(), string()}.
calls() ->
    to_the_end(fun() ->
        ok = ?S:debug(true),
        {ok, Socket} = ?S:open(inet, dgram, udp),
        {ok, Port} = ?S:bind(Socket, #{family => inet, addr => loopback}),
        {ok, FD} = ?S:getopt(Socket, otp, fd),
        ok = ?S:setopt(Socket, socket, broadcast, true),
        {error, _} = outcome(fun() -> ?S:getopt(Socket, socket, foo) end),
        ok = ?S:sendto(Socket, binary:copy(<<"x">>, 100), #{family => inet, addr => {127, 0, 0, 1}, port => Port}),
        {ok, {_, _}} = ?S:recvfrom(Socket),
        {select, SelectInfo} = ?S:recv(Socket, 7, [peek], nowait),
        ok = ?S:cancel(Socket, SelectInfo),
        {error, timeout} = ?S:recvmsg(Socket, [], 0),
        ok = ?S:close(Socket),
        {error, closed} = ?S:recv(Socket),
        ok = ?S:debug(false),
        _ = ?S:supports(),
        {pid_to_list(self()), integer_to_list(FD), integer_to_list(Port)}
    end).

-spec nothing_is_logged_unless_asked_for(config()) -> term().
nothing_is_logged_unless_asked_for(_) ->
    {_, Lines} = logged(silent, ["-gosocket", "log_level", "debug"]),
    ?assertEqual([], calls_in(Lines)).

-spec silent() -> [ok].
silent() ->
    to_the_end(fun() ->
        ok = ?S:debug(true),
        ok = ?S:socket_debug(true),
        ok = ?S:debug(false),
        ok = ?S:socket_debug(false),
        gosocket_test_fresh:exchange()
    end).

-spec time_of_a_call_includes_its_waiting(config()) -> term().
time_of_a_call_includes_its_waiting(_) ->
    {_, Lines} = logged(waits),
    [Micros] = [list_to_float(with_point(Us)) || #{"call" := "recv", "us" := Us} <- Lines],
    ?assert(Micros >= 100000),
    ?assert(Micros < 100000 + 1000 * ?PATIENCE).

-spec waits() -> term().
waits() ->
    to_the_end(fun() ->
        {A, B} = pair({inet, dgram}),
        ok = ?S:debug(true),
        Reader = start(fun() -> ?S:recv(B) end),
        await_parked(B, num_readers, 1),
        receive after 100 -> ok end,
        ok = ?S:send(A, <<"x">>),
        {ok, <<"x">>} = result(Reader)
    end).

-spec option_debug_shows_one_socket_and_what_it_accepts(config()) -> term().
option_debug_shows_one_socket_and_what_it_accepts(_) ->
    {_, Lines} = logged(one_socket),
    ?assertEqual(["sockname", "accept", "send", "setopt", "setopt"], calls_in(Lines)).

-spec one_socket() -> term().
one_socket() ->
    to_the_end(fun() ->
        Listener = listener({inet, stream}),
        ok = ?S:setopt(Listener, otp, debug, true),
        Client = unconnected({inet, stream}),
        Server = accepted(Listener, Client),
        ok = ?S:send(Server, <<"hello">>),
        {ok, <<"hello">>} = ?S:recv(Client),
        [ok = ?S:setopt(Socket, otp, debug, false) || Socket <- [Listener, Server]],
        close([Listener, Server, Client])
    end).

-spec open_with_debug_shows_that_open(config()) -> term().
open_with_debug_shows_that_open(_) ->
    {Results, Lines} = logged(one_open),
    ?assertEqual([{ok, false}, {ok, false}], Results),
    ?assertEqual(["open", "openfd"], calls_in(Lines)).

-spec one_open() -> [term()].
one_open() ->
    to_the_end(fun() ->
        {ok, Socket} = ?S:open(inet, dgram, udp, #{debug => true}),
        {ok, FD} = ?S:getopt(Socket, otp, fd),
        {ok, Copy} = ?S:open(FD, #{debug => true, lane => Socket}),
        Results = [?S:getopt(Each, otp, debug) || Each <- [Socket, Copy]],
        close([Socket, Copy]),
        Results
    end).

-spec socket_debug_shows_sockets_opened_later(config()) -> term().
socket_debug_shows_sockets_opened_later(_) ->
    {Results, Lines} = logged(later_sockets),
    ?assertEqual([{ok, false}, {ok, true}, {ok, true}], Results),
    ?assertEqual(["open", "openfd", "getopt", "getopt", "close", "close"], calls_in(Lines)).

-spec later_sockets() -> [term()].
later_sockets() ->
    to_the_end(fun() ->
        Before = unconnected({inet, dgram}),
        {ok, FD} = ?S:getopt(Before, otp, fd),
        ok = ?S:socket_debug(true),
        Sockets = [unconnected({inet, dgram}), element(2, ?S:open(FD, #{lane => Before}))],
        ok = ?S:socket_debug(false),
        Results = [?S:getopt(Each, otp, debug) || Each <- [Before | Sockets]],
        close([Before | Sockets]),
        Results
    end).

-spec debug_outlives_the_helper(config()) -> term().
debug_outlives_the_helper(_) ->
    {_, Lines} = logged(new_helper),
    ?assertEqual(["open", "close", "open", "close"], calls_in(Lines)),
    ?assertEqual(2, length(lists:usort([Pid || #{"pid" := Pid} <- Lines]))).

-spec new_helper() -> term().
new_helper() ->
    to_the_end(fun() ->
        ok = ?S:debug(true),
        {opened, ok} = gosocket_test_fresh:open(),
        Helper = helper_os_pid(),
        Lane = erlang:monitor(process, lane()),
        %% the helper of a lane that is killed is killed as well, and may have lines to write
        true = port_close(lane_port()),
        receive {'DOWN', Lane, process, _, _} -> ok end,
        wait_until(fun() -> not helper_alive(Helper) end),
        {opened, ok} = gosocket_test_fresh:open()
    end).

-spec application_variables_are_the_first_setting(config()) -> term().
application_variables_are_the_first_setting(_) ->
    {#{debug := true, socket_debug := false}, Lines} = logged(plain, ["-gosocket", "debug", "true"]),
    ?assertEqual(["open", "getopt", "close"], calls_in(Lines)),
    {#{debug := false, socket_debug := true}, SocketLines} = logged(plain, ["-gosocket", "socket_debug", "true"]),
    ?assertEqual(["open", "getopt", "close"], calls_in(SocketLines)).

-spec plain() -> map().
plain() ->
    to_the_end(fun() ->
        Socket = unconnected({inet, dgram}),
        {ok, dgram} = ?S:getopt(Socket, socket, type),
        close(Socket),
        ?S:info()
    end).

-spec calls_of_all_loops_are_shown(config()) -> term().
calls_of_all_loops_are_shown(_) ->
    {_, Lines} = logged(many, ["-gosocket", "loops", "3"]),
    ?assertEqual(lists:duplicate(9, "open") ++ lists:duplicate(9, "recv"), lists:sort(calls_in(Lines))),
    ?assertEqual(9, length(lists:usort([Socket || #{"call" := "recv", "socket" := Socket} <- Lines]))).

-spec many() -> term().
many() ->
    to_the_end(fun() ->
        ok = ?S:debug(true),
        Sockets = [unconnected({inet, dgram}) || _ <- lists:seq(1, 9)],
        [{error, timeout} = ?S:recv(Socket, 0, 0) || Socket <- Sockets],
        ok = ?S:debug(false),
        close(Sockets)
    end).
