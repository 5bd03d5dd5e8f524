%% A helper that has no descriptors left: whoever wants one is told so at once, nobody else notices, and when one is
%% free again everything goes on.
-module(gosocket_shortage_SUITE).

-export([
    open_is_emfile_until_something_closes/1,
    accept_is_emfile_and_the_connection_waits/1,
    select_of_an_accept_fires_and_the_accept_is_emfile/1,
    descriptor_that_is_duplicated_is_emfile/1,
    descriptor_that_is_shared_needs_none_until_two_wait/1,
    descriptor_of_the_vm_is_emfile_and_leaves_nothing/1,
    received_descriptors_that_find_no_place_are_cut/1,
    sockets_that_are_open_go_on/1
]).

-define(OURS, []).
-define(ONE_LANE, [
    descriptor_that_is_duplicated_is_emfile,
    descriptor_that_is_shared_needs_none_until_two_wait,
    received_descriptors_that_find_no_place_are_cut
]).
-include("gosocket_test.hrl").

%% Enough for the helper itself, few enough to be used up at once.
-define(DESCRIPTORS, "64").

-spec with_few_descriptors(config(), fun(() -> Result)) -> Result.
with_few_descriptors(Config, Fun) ->
    Script = gosocket_test_fd:write_script("few", "ulimit -n " ++ ?DESCRIPTORS ++ "\nexec", Config),
    gosocket_test_fd:with_helper(Script, Fun).

%% Opens sockets until none is left.
-spec use_up() -> [socket(), ...].
use_up() ->
    case ?S:open(inet, dgram) of
        {ok, Socket} -> [Socket | use_up()];
        {error, emfile} -> []
    end.

-spec open_is_emfile_until_something_closes(config()) -> term().
open_is_emfile_until_something_closes(Config) ->
    with_few_descriptors(Config, fun() ->
        [First | Others] = use_up(),
        [?assertEqual({error, emfile}, ?S:open(Domain, stream)) || Domain <- [inet, local, inet]],
        close({First}),
        {ok, Again} = ?S:open(inet, stream),
        ?assertEqual({error, emfile}, ?S:open(inet, stream)),
        close([Again | Others])
    end).

-spec accept_is_emfile_and_the_connection_waits(config()) -> term().
accept_is_emfile_and_the_connection_waits(Config) ->
    with_few_descriptors(Config, fun() ->
        Listener = listener({inet, stream}),
        Acceptors = [begin
                         Acceptor = start(fun() -> ?S:accept(Listener) end),
                         await_parked(Listener, num_acceptors, N),
                         Acceptor
                     end || N <- [1, 2]],
        {ok, Client} = ?S:open(inet, stream),
        [First | Others] = use_up(),
        ok = ?S:connect(Client, local_address(Listener)),
        %% as with every error of accept(2), those behind are told as well
        ?assertEqual([{error, emfile}, {error, emfile}], [result(Acceptor) || Acceptor <- Acceptors]),
        ?assertEqual({error, emfile}, ?S:accept(Listener, ?PATIENCE)),
        close({First}),
        {ok, Server} = ?S:accept(Listener, ?PATIENCE),
        ok = ?S:send(Client, <<"x">>),
        ?assertEqual({ok, <<"x">>}, ?S:recv(Server, 1, ?PATIENCE)),
        close([Listener, Client, Server | Others])
    end).

-spec select_of_an_accept_fires_and_the_accept_is_emfile(config()) -> term().
select_of_an_accept_fires_and_the_accept_is_emfile(Config) ->
    with_few_descriptors(Config, fun() ->
        Listener = listener({inet, stream}),
        {ok, Client} = ?S:open(inet, stream),
        {select, SelectInfo} = ?S:accept(Listener, nowait),
        [First | Others] = use_up(),
        ok = ?S:connect(Client, local_address(Listener)),
        await_select(Listener, SelectInfo),
        ?assertEqual({error, emfile}, ?S:accept(Listener, nowait)),
        close({First}),
        {ok, Server} = ?S:accept(Listener, nowait),
        no_messages(Listener),
        close([Listener, Client, Server | Others])
    end).

-spec descriptor_that_is_duplicated_is_emfile(config()) -> term().
descriptor_that_is_duplicated_is_emfile(Config) ->
    with_few_descriptors(Config, fun() ->
        [First | Others] = use_up(),
        FD = gosocket_test_fd:fd(hd(Others)),
        ?assertEqual({error, emfile}, ?S:open(FD)),
        close({First}),
        {ok, Copy} = ?S:open(FD),
        close([Copy | Others])
    end).

%% epoll takes a descriptor once: the second socket that waits needs a duplicate for it (on a loop of its own it does not).
-spec descriptor_that_is_shared_needs_none_until_two_wait(config()) -> term().
descriptor_that_is_shared_needs_none_until_two_wait(Config) ->
    with_few_descriptors(Config, fun() ->
        {A, B} = pair({local, stream}),
        [First | Others] = use_up(),
        {ok, Same} = ?S:open(gosocket_test_fd:fd(B), #{dup => false}),
        Reader = start(fun() -> ?S:recv(B, 1) end),
        await_parked(B, num_readers, 1),
        ?assert(lists:member(?S:recv(Same, 1, 50), [{error, emfile}, {error, timeout}])),
        close({First}),
        Second = start(fun() -> ?S:recv(Same, 1) end),
        await_parked(Same, num_readers, 1),
        ok = ?S:send(A, <<"xx">>),
        ?assertEqual([{ok, <<"x">>}, {ok, <<"x">>}], [result(Call) || Call <- [Reader, Second]]),
        close([A, B, Same | Others])
    end).

-spec descriptor_of_the_vm_is_emfile_and_leaves_nothing(config()) -> term().
descriptor_of_the_vm_is_emfile_and_leaves_nothing(Config) ->
    {ok, Udp} = gen_udp:open(0),
    {ok, FD} = inet:getfd(Udp),
    Target = gosocket_test_fd:target(gosocket_test_fd:vm(), FD),
    %% behind a shell that stays it is sent, which takes three descriptors more while it is under way
    [begin
         Script = gosocket_test_fd:write_script("few", "ulimit -n " ++ ?DESCRIPTORS ++ "\n" ++ Exec, Config),
         gosocket_test_fd:with_helper(Script, fun() ->
             [begin
                  Sockets = use_up(),
                  {Free, Used} = lists:split(N, Sockets),
                  close(Free),
                  Outcome = ?S:open(FD, #{holder => vm}),
                  ?assertMatch({N, true}, {N, Outcome =:= {error, emfile} orelse element(1, Outcome) =:= ok}),
                  [close({Socket}) || {ok, Socket} <- [Outcome]],
                  gosocket_test_fd:await_holders(gosocket_test_fd:helper(), Target, 0),
                  Again = use_up(),
                  ?assertEqual(N, length(Again)),
                  close(Again ++ Used)
              end || N <- [0, 1, 2, 3, 4]]
         end)
     end || Exec <- ["exec", ""]],
    ok = gen_udp:close(Udp).

-spec received_descriptors_that_find_no_place_are_cut(config()) -> term().
received_descriptors_that_find_no_place_are_cut(Config) ->
    with_few_descriptors(Config, fun() ->
        {A, B} = pair({local, stream}),
        ok = gosocket_test_fd:pass(A, [gosocket_test_fd:fd(A) || _ <- [1, 2, 3]]),
        [First | Others] = use_up(),
        close({First}),
        {ok, #{iov := [<<"data">>], flags := [ctrunc]} = MsgHdr} = ?S:recvmsg(B, ?PATIENCE),
        ?assertEqual(1, length(gosocket_test_fd:carried(MsgHdr))),
        close({B}), % and with it the one that came
        {ok, C} = ?S:open(inet, dgram),
        {ok, D} = ?S:open(inet, dgram),
        ?assertEqual({error, emfile}, ?S:open(inet, dgram)),
        close([A, C, D | Others])
    end).

-spec sockets_that_are_open_go_on(config()) -> term().
sockets_that_are_open_go_on(Config) ->
    with_few_descriptors(Config, fun() ->
        Pairs = [pair(Kind) || Kind <- [{inet, stream}, {local, stream}, {inet, dgram}, {local, dgram}]],
        Readers = [start(fun() -> ?S:recv(B, 0) end) || {_, B} <- Pairs],
        [await_parked(B, num_readers, 1) || {_, B} <- Pairs],
        Others = use_up(),
        [ok = ?S:send(A, <<"x">>) || {A, _} <- Pairs],
        ?assertEqual([{ok, <<"x">>} || _ <- Pairs], [result(Reader) || Reader <- Readers]),
        Data = random(1 bsl 20),
        {A, B} = hd(Pairs),
        Writer = start(fun() -> ?S:send(A, Data) end),
        ?assertEqual({ok, Data}, ?S:recv(B, byte_size(Data), ?PATIENCE)),
        ?assertEqual(ok, result(Writer)),
        [close(Pair) || Pair <- Pairs],
        close(Others)
    end).
