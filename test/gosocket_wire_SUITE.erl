%% What crosses the helper's two pipes, byte by byte: the worked exchange of docs/protocol.md, answers, bad input, the
%% end. And an exchange from Elixir.
-module(gosocket_wire_SUITE).

-export([
    worked_exchange_has_these_bytes/1,
    exchange_from_elixir/1,
    answers_have_the_bytes_of_the_document/1,
    bad_frames_are_named_and_dropped/1,
    any_depth_is_echoed/1,
    good_items_before_a_bad_one_are_carried_out/1,
    frame_above_the_limit_ends_the_helper/1,
    bad_calls_raise/1,
    unknown_sockets_are_closed/1,
    end_of_input_ends_the_helper/1
]).

-import(gosocket_test_bare, [
    helper/2, bare/1, bare/2, encode/1, tell/2, tell_bytes/2, next/1, next_bytes/1, only_pong/1, ask/2, open/3,
    tcp_pair/1, path/0, in_project/1, document/0, args/2
]).

-define(OURS, []).
-include("gosocket_test.hrl").

%% ---- the document, and another language ----

%% Sent byte by byte as it stands there, length and all.
worked_exchange_has_these_bytes(_) ->
    Steps = steps(),
    ?assertEqual([hello, open, bind, sendto, recvfrom, close], [element(1, Call) || {client, {_, Call}, _} <- Steps]),
    Port = open_port({spawn_executable, path()}, [stream, binary, exit_status, {args, args(1, [])}]),
    <<Size:32>> = read(Port, 4),
    {hello, _} = binary_to_term(read(Port, Size)),
    [begin
         <<Length:32, Encoded/binary>> = Bytes,
         ?assertEqual({Term, Length}, {binary_to_term(Encoded), byte_size(Encoded)}),
         case Who of
             client -> true = port_command(Port, Bytes);
             helper -> ?assertEqual({Term, Bytes}, {Term, read(Port, byte_size(Bytes))})
         end
     end || {Who, Term, Bytes} <- Steps].

%% [{client | helper, Term, Bytes}] of section 7.
steps() ->
    {match, Steps} = re:run(document(), "^    (client|helper): (.*)\n((?:      [0-9a-f ]+\n)+)",
                            [global, multiline, {capture, all_but_first, list}]),
    [{list_to_atom(Who), term(Text), << <<(list_to_integer(Hex, 16))>> || Hex <- string:lexemes(Bytes, " \n") >>}
     || [Who, Text, Bytes] <- Steps].

term(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.

read(Port, Size) ->
    Have = case get(unread) of undefined -> <<>>; Bytes -> Bytes end,
    case Have of
        <<Read:Size/binary, Rest/binary>> ->
            put(unread, Rest),
            Read;
        _ ->
            receive
                {Port, {data, More}} ->
                    put(unread, <<Have/binary, More/binary>>),
                    read(Port, Size)
            after ?PATIENCE -> ct:fail({only, Have})
            end
    end.

exchange_from_elixir(_) ->
    Elixir = os:find_executable("elixir"),
    skip_unless(Elixir =/= false, "elixir is not in the PATH"),
    Port = open_port({spawn_executable, Elixir}, [exit_status, stderr_to_stdout, in, {line, 1000},
                                                  {args, [in_project("test/protocol.exs"), path()]}]),
    {Status, Lines} = output(Port),
    ct:log("~ts", [lists:join("\n", Lines)]),
    ?assertEqual({0, ["hello", "echo", "select", "credit", "bad", "done"]}, {Status, [Line || [Char | _] = Line <- Lines, Char =/= ${]}). % the log's

output(Port) ->
    receive
        {Port, {data, {_, Line}}} ->
            {Status, Lines} = output(Port),
            {Status, [Line | Lines]};
        {Port, {exit_status, Status}} ->
            {Status, []}
    end.

answers_have_the_bytes_of_the_document(Config) ->
    Port = bare(Config),
    {A, B} = tcp_pair(Port),
    [begin
         Size = byte_size(Data),
         ok = ask(Port, {send, A, me, [], infinity, [], Size, Data}),
         tell(Port, {Id, {recv, B, me, Size, [], infinity, []}}),
         ?assertEqual(<<131, 104, 2, 98, Id:32, 104, 2, 119, 2, "ok", 109, Size:32, Data/binary>>, next_bytes(Port)),
         tell(Port, {Id, {setopt, B, me, otp, debug, false}}),
         ?assertEqual(<<131, 104, 2, 98, Id:32, 119, 2, "ok">>, next_bytes(Port))
     end || Id <- [0, 1, 255, 256, 16#7fffffff], Data <- [<<"x">>, random(5000)]].

%% ---- bad input ----

bad_frames_are_named_and_dropped(Config) ->
    Port = bare(Config),
    Cases = [{<<>>, truncated}, {<<131>>, truncated}, {<<130, 106>>, term}, {<<131, 255>>, tag},
             {<<131, 104, 2, 98, 0>>, truncated}, {<<131, 104, 2, 97>>, count},
             {<<131, 108, 255:32, 97, 1, 106>>, count},
             {<<131, 82, 0>>, atom_cache},
             {term_to_binary(lists:duplicate(100, 0), [compressed]), compressed},
             {encode(hello), term}, {encode({no_such_item, 1}), item}, {encode({ping, 1, 2}), item},
             {encode({1, {sockname, 1}, extra}), item}, {encode([[{ping, 1}]]), term},
             {encode({<<"id">>, {sockname, 1}}), term}, {encode({-1, {sockname, 1}}), term}],
    [begin
         tell_bytes(Port, Bytes),
         {bad, Reason, Offset} = next(Port),
         Start = binary:part(Bytes, 0, min(20, byte_size(Bytes))),
         ct:log("~p at ~b: ~p", [Reason, Offset, Start]),
         ?assert(Offset >= 0 andalso Offset =< byte_size(Bytes)),
         ?assertEqual({Expected, Start}, {Reason, Start}),
         only_pong(Port)
     end || {Bytes, Expected} <- Cases].

any_depth_is_echoed(Config) ->
    Port = bare(Config),
    Deep = binary:copy(<<104, 1>>, 1000000),
    tell_bytes(Port, <<131, 104, 2, 119, 4, "ping", Deep/binary, 106>>),
    ?assert(next_bytes(Port) =:= <<131, 104, 2, 119, 4, "pong", Deep/binary, 106>>).

good_items_before_a_bad_one_are_carried_out(Config) ->
    Port = bare(Config),
    tell(Port, [{ping, 1}, {1, {open, me, inet, dgram, udp, #{}}}, nonsense, {ping, 2}]),
    Frames = [next(Port), next(Port), next(Port)],
    ?assertMatch([{1, {ok, _}}, {pong, 1}, {bad, term, _}], lists:sort(Frames)),
    only_pong(Port),
    Ping = encode({ping, 3}),
    tell_bytes(Port, <<Ping/binary, 0>>),
    ?assertEqual([{pong, 3}, {bad, trailing, byte_size(Ping)}], [next(Port), next(Port)]).

frame_above_the_limit_ends_the_helper(Config) ->
    Limit = 512 bsl 10,
    Port = bare(Config, ["-frame-limit", integer_to_list(Limit)]),
    Padding = fun(Size) -> {ping, binary:copy(<<0>>, Size - byte_size(encode({ping, <<>>})))} end,
    {ping, Data} = At = Padding(Limit),
    ?assertEqual(Limit, byte_size(encode(At))),
    tell(Port, At),
    ?assert({pong, Data} =:= next(Port)),
    tell(Port, Padding(Limit + 1)),
    ?assertMatch({bad, frame_limit, _}, next(Port)),
    receive
        {Port, {exit_status, Status}} -> ?assertEqual(1, Status)
    after ?PATIENCE -> ct:fail(no_exit)
    end.

bad_calls_raise(Config) ->
    Port = bare(Config),
    Socket = open(Port, dgram, udp),
    [?assertEqual({Call, {raise, badarg}}, {Call, ask(Port, Call)})
     || Call <- [{no_such_call, 1}, {sockname}, {sockname, Socket, 1}, {sockname, <<"socket">>}, {close, Socket},
                 {connect, Socket, me, x}, {recv, Socket, me, 1, [], soon, []}, {recv, Socket, me, 1, [], {in, 5}, []},
                 {recv, Socket, me, length, [], 5, []}, {hello, []}, {hello, #{watch => 1}},
                 {send, Socket, me, [], infinity, [], 3, <<"more">>}]],
    ?assertMatch({raise, _}, ask(Port, {no_such_call})),
    only_pong(Port).

unknown_sockets_are_closed(Config) ->
    Port = bare(Config),
    Closed = open(Port, dgram, udp),
    ok = ask(Port, {close, Closed, me}),
    [?assertEqual({Socket, {error, closed}}, {Socket, ask(Port, {sockname, Socket})})
     || Socket <- [0, 1, Closed, Closed + 1, 1 bsl 40, 1 bsl 63]].

end_of_input_ends_the_helper(Config) ->
    {Port, #{pid := Pid}} = helper(Config, []),
    {ok, _} = ask(Port, {open, me, inet, dgram, udp, #{}}),
    ?assert(helper_alive(Pid)),
    true = port_close(Port),
    wait_until(fun() -> not helper_alive(Pid) end).
