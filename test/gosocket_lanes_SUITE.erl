%% Lanes with names: each has a helper of its own, and what ends one concerns no other.
-module(gosocket_lanes_SUITE).

-export([
    death_of_a_helper_takes_its_lane_only/1,
    a_dead_lane_leaves_immediates_behind/1,
    start_tells_what_is_wrong/1,
    stop_answers_everybody_who_waits/1
]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-include("gosocket_test.hrl").

%% ---- Echo in a lane

-spec pair_in(gosocket_lanes:name()) -> {socket(), socket()}.
pair_in(Name) ->
    {ok, Listener} = ?S:open(inet, stream, tcp, #{lane => Name}),
    {ok, Port} = ?S:bind(Listener, loopback),
    ok = ?S:listen(Listener),
    {ok, Client} = ?S:open(inet, stream, tcp, #{lane => Name}),
    ok = ?S:connect(Client, #{family => inet, addr => loopback, port => Port}),
    {ok, Server} = ?S:accept(Listener, ?PATIENCE),
    ok = ?S:close(Listener),
    {Client, Server}.

-spec echo({socket(), socket()}) -> ok.
echo({Client, Server}) ->
    ok = ?S:send(Client, <<"echo">>),
    {ok, Bytes} = ?S:recv(Server, 4, ?PATIENCE),
    ok = ?S:send(Server, Bytes),
    {ok, <<"echo">>} = ?S:recv(Client, 4, ?PATIENCE),
    ok.

-spec helper(gosocket_lanes:name()) -> pos_integer() | undefined.
helper(Name) ->
    maps:get(helper, gosocket_lanes:info(Name)).

-spec with_lane(gosocket_lanes:settings(), fun((atom()) -> term())) -> ok.
with_lane(Settings, Test) ->
    Name = list_to_atom("lane" ++ unique()),
    {ok, Lane} = gosocket_lanes:start(Name, Settings),
    true = is_process_alive(Lane),
    try
        Test(Name)
    after
        _ = gosocket_lanes:stop(Name)
    end,
    ok.

%% What has come so far.
-spec messages() -> [term()].
messages() ->
    receive Message -> [Message | messages()] after 0 -> [] end.

%% ---- Life and death

-spec death_of_a_helper_takes_its_lane_only(config()) -> term().
death_of_a_helper_takes_its_lane_only(_) ->
    Ours = pair({inet, stream}),
    with_lane(#{}, fun(Name) ->
        {Client, Server} = Theirs = pair_in(Name),
        ok = echo(Theirs),
        ok = echo(Ours),
        ?assertNotEqual(helper(default), helper(Name)),
        Mine = start(fun() -> ?S:recv(element(2, Ours)) end),
        await_parked(element(2, Ours), num_readers, 1),
        Reader = start(fun() -> ?S:recv(Server) end),
        await_parked(Server, num_readers, 1),
        Before = lane(),
        signal("KILL", helper(Name)),
        ?assertEqual({error, closed}, result(Reader)),
        ?assertEqual([{error, closed}, {error, {closed, 1}}], [?S:sockname(Client), ?S:send(Client, <<"x">>)]),
        ?assertEqual(Before, lane()),
        ok = ?S:send(element(1, Ours), <<"still">>),
        ?assertEqual({ok, <<"still">>}, result(Mine)),
        %% the next use starts it again; sockets of the run before stay closed
        Again = pair_in(Name),
        ok = echo(Again),
        ok = echo(Ours),
        ?assertEqual([{error, closed}, {error, closed}], [?S:sockname(Client), ?S:recv(Server, 1)]),
        close(Again)
    end),
    ok = echo(Ours),
    close(Ours).

%% Anything else has the VM look through every process.
-spec a_dead_lane_leaves_immediates_behind(config()) -> term().
a_dead_lane_leaves_immediates_behind(_) ->
    with_lane(#{}, fun(Name) ->
        close(pair_in(Name)),
        Terms = fun() -> maps:from_list([Term || {Key, _} = Term <- persistent_term:get(), is_tuple(Key), element(1, Key) =/= otp]) end,
        Before = Terms(),
        signal("KILL", helper(Name)),
        wait_until(fun() -> maps:get(pid, gosocket_lanes:info(Name)) =:= undefined end),
        Dead = Terms(),
        close(pair_in(Name)),
        Restarted = Terms(),
        ok = gosocket_lanes:stop(Name),
        Stopped = Terms(),
        Changed = [{Key, Value} || {Earlier, Later} <- [{Before, Dead}, {Dead, Restarted}, {Restarted, Stopped}],
                                   {Key, Value} <- maps:to_list(Earlier), Later =:= #{} orelse maps:find(Key, Later) =/= {ok, Value}],
        ?assertMatch([_, _, _ | _], Changed),
        ?assertEqual([], [Term || {_, Value} = Term <- Changed, erts_debug:flat_size(Value) > 0])
    end).

-spec start_tells_what_is_wrong(config()) -> term().
start_tells_what_is_wrong(_) ->
    with_lane(#{}, fun(Name) ->
        #{pid := Lane} = gosocket_lanes:info(Name),
        ?assertEqual({error, {already_started, Lane}}, gosocket_lanes:start(Name, #{})),
        ?assertEqual({error, {already_started, Lane}}, gosocket_lanes:start(Name, #{spin_us => 0})),
        ?assert(lists:member(Name, gosocket_lanes:which())),
        Nobody = list_to_atom("nobody" ++ unique()),
        ?assertEqual([{error, {no_lane, Nobody}} || _ <- lists:seq(1, 4)],
                     [?S:open(inet, stream, tcp, #{lane => Nobody}), ?S:open(0, #{lane => Nobody}),
                      gosocket_lanes:stop(Nobody), gosocket_lanes:info(Nobody)]),
        [?assertError(badarg, gosocket_lanes:start(Nobody, Bad))
         || Bad <- [no_map, [], #{unknown => 1}, #{loops => many}, #{loops => 17}, #{spin_us => -1}, #{log_level => loud},
                    #{capabilities => net_raw}, #{allow => nothing}, #{allow => [{no_rule, []}]}, #{landlock => maybe},
                    #{helper => "/bin/true"}, #{use_registry => 1}, #{lane_spin => -1}, #{window => 1}, #{start => application}]],
        [?assertError(badarg, gosocket_lanes:start(Bad, #{})) || Bad <- ["name", <<"name">>, 1, {default, 2}, {name, 1}]],
        [?assertError(badarg, ?S:open(inet, stream, tcp, #{lane => Bad})) || Bad <- ["name", 1, {name, 1}]],
        %% nothing is left of those
        ?assertEqual({error, {no_lane, Nobody}}, gosocket_lanes:info(Nobody))
    end).

%% Of all kinds of waiting, for one answer each.
-spec stop_answers_everybody_who_waits(config()) -> term().
stop_answers_everybody_who_waits(_) ->
    with_lane(#{}, fun(Name) ->
        {Client, Server} = pair_in(Name),
        {ok, Listener} = ?S:open(inet, stream, tcp, #{lane => Name}),
        {ok, _} = ?S:bind(Listener, loopback),
        ok = ?S:listen(Listener),
        Calls = [start(Call) || Call <- [fun() -> ?S:recv(Client) end, fun() -> ?S:recv(Server, 0, ?PATIENCE) end,
                                         fun() -> ?S:accept(Listener) end, fun() -> ?S:accept(Listener, ?PATIENCE) end]],
        [await_parked(Socket, Kind, N) || {Socket, Kind, N} <- [{Client, num_readers, 1}, {Server, num_readers, 1}, {Listener, num_acceptors, 2}]],
        Selects = [begin
                       Actor = actor(),
                       {select, {select_info, _, Ref}} = run(Actor, fun() -> ?S:accept(Listener, nowait) end),
                       {Actor, Ref}
                   end || _ <- lists:seq(1, 3)],
        {Elapsed, Stopped} = elapsed(fun() -> gosocket_lanes:stop(Name) end),
        ?assertEqual(ok, Stopped),
        ?assert(Elapsed < 1000),
        ?assertEqual([{error, closed} || _ <- Calls], [result(Call, 1000) || Call <- Calls]),
        [?assertEqual([{'$socket', Listener, abort, {Ref, closed}}], run(Actor, fun messages/0))
         || {Actor, Ref} <- Selects],
        [kill(Actor) || {Actor, _} <- Selects],
        ?assertEqual({error, {no_lane, Name}}, gosocket_lanes:stop(Name)),
        ?assertEqual({error, {no_lane, Name}}, ?S:open(inet, stream, tcp, #{lane => Name}))
    end).
